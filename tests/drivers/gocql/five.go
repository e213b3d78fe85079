//go:build !v2

package main

import "github.com/gocql/gocql"

// ofVersionFive does nothing: gocql 1 has no calls for what is new in protocol 5.
func ofVersionFive(*gocql.Session) {}
