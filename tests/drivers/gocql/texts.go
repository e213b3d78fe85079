package main

import (
	"fmt"

	"github.com/gocql/gocql"
)

// texts writes and reads rows by texts whose constants are written by the program: alone, and in batches.
func texts() int {
	s := connect("")
	defer s.Close()
	for k := 0; k < *keys; k++ {
		statements := []string{
			fmt.Sprintf("INSERT INTO %s.t (v, k) VALUES ('it''s %d', %d)", *keyspace, k, k),
			fmt.Sprintf("UPDATE %s.names SET v = %d WHERE k = 'ключ %d'", *keyspace, k, k),
		}
		for _, statement := range statements {
			if err := s.Query(statement).Exec(); err != nil {
				panic(err)
			}
		}
		batch := s.NewBatch(gocql.UnloggedBatch)
		batch.Query(fmt.Sprintf("INSERT INTO %s.t (v, k) VALUES ('it''s %d', %d)", *keyspace, k, k))
		if err := s.ExecuteBatch(batch); err != nil {
			panic(err)
		}
		var v string
		text := fmt.Sprintf("SELECT v FROM %s.t WHERE k = %d", *keyspace, k)
		if err := s.Query(text).Scan(&v); err != nil || v != fmt.Sprintf("it's %d", k) {
			panic(fmt.Sprint(text, ": ", v, err))
		}
		var n int
		text = fmt.Sprintf("SELECT v FROM %s.names WHERE k = $$ключ %d$$", *keyspace, k)
		if err := s.Query(text).Scan(&n); err != nil || n != k {
			panic(fmt.Sprint(text, ": ", n, err))
		}
	}
	return 0
}
