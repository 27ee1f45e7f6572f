package configs

import (
	"fmt"
	"net/netip"
	"reflect"
)

const (
	prefixAdvice   = `write a network such as "192.0.2.0/24" or "2001:db8::/32", or "192.0.2.1/32" for a single host`
	addrPortAdvice = `write an IP address and a port, such as "127.0.0.1:53" or "[::1]:53"`
	addrAdvice     = `write an IP address, such as "192.0.2.1" or "2001:db8::1"`
)

// kindOf names what a value of the file is.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64, float64:
		return "a number"
	case bool:
		return "true or false"
	case map[string]any:
		return "a table"
	case []any:
		return "a list"
	case []map[string]any:
		return "a list of tables"
	}
	return "a date or time"
}

// advice says what to write for dst.
func advice(path string, dst reflect.Value) string {
	switch v := dst.Interface().(type) {
	case interface{ allowed() string }:
		return v.allowed()
	case netip.Prefix:
		return prefixAdvice
	case netip.AddrPort:
		return addrPortAdvice
	case netip.Addr:
		return addrAdvice
	}
	key := plainKey(path)
	switch dst.Kind() {
	case reflect.Struct:
		if listOf(path) != "" {
			return fmt.Sprintf("write [[%s]] and its keys below", key)
		}
		return fmt.Sprintf("write [%s] once, in single brackets, and its keys below", key)
	case reflect.Map:
		return fmt.Sprintf("write [%s] and its keys below", key)
	case reflect.Slice:
		if isTable(dst.Type().Elem()) {
			return fmt.Sprintf("write [[%s]], in double brackets, and its keys below", key)
		}
		return `write a list in brackets: ["...", "..."]`
	case reflect.Int:
		return "write a whole number without quotes"
	case reflect.Bool:
		return "write true or false without quotes"
	}
	return "write a string in quotes"
}
