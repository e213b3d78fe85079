module shardlane.test/gocql

go 1.25.0

require (
	github.com/gocql/gocql v1.7.0
	gopkg.in/inf.v0 v0.9.1
)

require (
	github.com/google/uuid v1.6.0 // indirect
	github.com/klauspost/compress v1.19.1 // indirect
	golang.org/x/sync v0.22.0 // indirect
)

// ScyllaDB's own Go driver keeps gocql's import path.
replace github.com/gocql/gocql => github.com/scylladb/gocql v1.19.0
