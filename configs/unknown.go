package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// unknownKey says what may have been meant by a key that table does not have: a similar one, the same key in another
// table (in TOML every key belongs to the header above it), or else any of those there are.
func unknownKey(key string, table reflect.Type) string {
	here := keysOf(table)
	if name := nearest(key, here); name != "" {
		return fmt.Sprintf("there is no such key; did you mean %q?", name)
	}
	if homes := homesOf(key, reflect.TypeFor[Config](), ""); len(homes) > 0 {
		return "there is no such key here; it belongs " + strings.Join(homes, " or ")
	}
	return "there is no such key; allowed here: " + strings.Join(here, ", ")
}

// keysOf lists the keys of a table in the order of the annotated file.
func keysOf(table reflect.Type) []string {
	keys := make([]string, table.NumField())
	for i := range keys {
		keys[i] = tagOf(table.Field(i))
	}
	return keys
}

// homesOf lists where in table and the tables below it key is allowed. The header of table is "" for the top.
func homesOf(key string, table reflect.Type, header string) []string {
	var homes []string
	if slices.Contains(keysOf(table), key) {
		homes = append(homes, place(header))
	}
	for i := range table.NumField() {
		f := table.Field(i)
		path := child(strings.Trim(header, "[]"), tagOf(f))
		if isTable(f.Type) {
			homes = append(homes, homesOf(key, f.Type, "["+path+"]")...)
		} else if f.Type.Kind() == reflect.Slice && isTable(f.Type.Elem()) {
			homes = append(homes, homesOf(key, f.Type.Elem(), "[["+path+"]]")...)
		}
	}
	return homes
}

func place(header string) string {
	if header == "" {
		return "at the top, before the first table"
	}
	return "in " + header
}

// isTable tells our tables from types such as netip.Addr, which are structs too.
func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.NumField() > 0 && tagOf(t.Field(0)) != ""
}
