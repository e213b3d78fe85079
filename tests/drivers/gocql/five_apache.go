//go:build v2

package main

import "github.com/gocql/gocql"

func ofVersionFive(s *gocql.Session) {
	what("SetKeyspace", func() error { return s.Query("SELECT v FROM t WHERE k = 1").SetKeyspace("v5").Exec() })
	what("WithNowInSeconds", func() error { return s.Query("SELECT v FROM v5.t WHERE k = 1").WithNowInSeconds(1).Exec() })
}
