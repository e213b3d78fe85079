package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"sync"
	"time"

	"github.com/gocql/gocql"
)

// readRow reads a row, and says whether a column of it has another's value, or the driver broke off over the bytes.
func readRow(s *gocql.Session, k int) (row map[string]any, err error, wrong bool) {
	defer func() {
		if recover() != nil {
			wrong = true
		}
	}()
	row = map[string]any{}
	err = s.Query("SELECT * FROM "+*keyspace+".t WHERE k = ?", k).MapScan(row)
	wrong = err == nil && (row["k"] != k || row["m"] != fmt.Sprint("m-", k))
	for name, value := range row {
		wrong = wrong || err == nil && name != "k" && value != "" && value != fmt.Sprint(name, "-", k)
	}
	return row, err, wrong
}

// columns reads rows of a table that changes until a line arrives, then prints what it saw. Each column holds its
// own name and the key, so a value read by another's column shows; new ones may be null. Each reader rests between
// bursts: a statement that is run all the time is the first to hear of a change, and is never misread.
func columns() int {
	stop := make(chan bool)
	go func() {
		lines.Scan()
		close(stop)
	}()
	seen := struct {
		Reads  int      `json:"reads"`
		Wrong  int      `json:"wrong"`
		Errors int      `json:"errors"`
		First  []string `json:"first"`
	}{First: []string{}}
	var mutex sync.Mutex
	say("@running")
	const readers, burst = 4, 16
	inParallel(readers, readers, func(worker int) {
		// Of several sessions one hears UNPREPARED and prepares for all.
		s := connect(*keyspace)
		defer s.Close()
		for k, n := worker, 1; ; k, n = (k+readers)%*keys, n+1 {
			select {
			case <-stop:
				return
			default:
			}
			row, err, wrong := readRow(s, k)
			mutex.Lock()
			seen.Reads++
			if err != nil {
				seen.Errors++
			}
			if wrong {
				seen.Wrong++
			}
			if (wrong || err != nil) && len(seen.First) < 3 {
				seen.First = append(seen.First, fmt.Sprint(k, row, err))
			}
			mutex.Unlock()
			if n%burst == 0 {
				time.Sleep(time.Duration(100+rand.Intn(200)) * time.Millisecond)
			}
		}
	})
	out, err := json.Marshal(seen)
	check(err)
	say(string(out))
	return 0
}
