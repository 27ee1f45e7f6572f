package main

import "runtime/debug"

// version is what the build knows of itself: the module's version, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return info.Main.Version + " " + s.Value + " " + info.GoVersion
		}
	}
	return info.Main.Version + " " + info.GoVersion
}
