// Package pluginpb is the wire protocol between the engine and its plugins, generated from
// tocsin/plugin/v1/plugin.proto: read that file. Run `make gen` after changing it.
package pluginpb
