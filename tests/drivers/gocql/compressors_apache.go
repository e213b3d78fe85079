//go:build v2

package main

import (
	"github.com/apache/cassandra-gocql-driver/v2/lz4"
	"github.com/apache/cassandra-gocql-driver/v2/snappy"
	"github.com/gocql/gocql"
)

var compressors = map[string]gocql.Compressor{"lz4": lz4.LZ4Compressor{}, "snappy": snappy.SnappyCompressor{}}
