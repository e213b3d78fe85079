package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gocql/gocql"
)

// load writes and reads back the keys of two tables over and over until a line arrives, then prints what it saw.
func load() int {
	s := connect(*keyspace)
	defer s.Close()
	stop := make(chan bool)
	go func() {
		lines.Scan()
		close(stop)
	}()
	var mutex sync.Mutex
	result := struct {
		Requests int            `json:"requests"`
		Wrong    int            `json:"wrong"`
		Longest  float64        `json:"longest"`
		Errors   map[string]int `json:"errors"`
	}{Errors: map[string]int{}}
	note := func(begin time.Time, err error, wrong bool) {
		mutex.Lock()
		defer mutex.Unlock()
		result.Requests++
		result.Longest = max(result.Longest, time.Since(begin).Seconds())
		if err != nil {
			name := fmt.Sprintf("%T", err)
			if e, ok := err.(gocql.RequestError); ok {
				name = fmt.Sprintf("0x%04x", e.Code())
			}
			if result.Errors[name] == 0 {
				fmt.Fprintln(os.Stderr, time.Now().Format("15:04:05.000"), name, err)
			}
			result.Errors[name]++
		} else if wrong {
			result.Wrong++
		}
	}
	say("@running")
	var wait sync.WaitGroup
	for worker := 0; worker < 8; worker++ {
		wait.Add(1)
		go func(worker int) {
			defer wait.Done()
			for round := 0; ; round++ {
				for k := worker; k < *keys; k += 8 {
					select {
					case <-stop:
						return
					default:
					}
					text, begin := fmt.Sprintf("ключ %d", k), time.Now()
					err := s.Query("INSERT INTO ints (k, v) VALUES (?, ?)", k, round).Exec()
					note(begin, err, false)
					if err == nil {
						v := -1
						begin = time.Now()
						err = s.Query("SELECT v FROM ints WHERE k = ?", k).Scan(&v)
						note(begin, err, v != round)
					}
					begin = time.Now()
					err = s.Query("INSERT INTO texts (k, v) VALUES (?, ?)", text, round).Exec()
					note(begin, err, false)
					if err == nil {
						v := -1
						begin = time.Now()
						err = s.Query("SELECT v FROM texts WHERE k = ?", text).Scan(&v)
						note(begin, err, v != round)
					}
				}
			}
		}(worker)
	}
	wait.Wait()
	out, _ := json.Marshal(result)
	say(string(out))
	return 0
}

// tablets touches every key, says so, waits for a line, and touches every key again.
func tablets() int {
	s := connect(*keyspace)
	defer s.Close()
	for pass := 1; pass <= 2; pass++ {
		wrong := make([]bool, *keys)
		inParallel(*keys, 20, func(k int) {
			check(s.Query("INSERT INTO ints (k, v) VALUES (?, ?)", k, pass).Exec())
			v := -1
			check(s.Query("SELECT v FROM ints WHERE k = ?", k).Scan(&v))
			wrong[k] = v != pass
		})
		count := 0
		for _, w := range wrong {
			if w {
				count++
			}
		}
		say("@pass", pass, "wrong", count)
		lines.Scan()
	}
	say("end")
	return 0
}
