//go:build !v2

package main

import "github.com/gocql/gocql"

// What the driver itself brings; lz4 is a module apart.
var compressors = map[string]gocql.Compressor{"snappy": &gocql.SnappyCompressor{}}
