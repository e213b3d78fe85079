package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gocql/gocql"
)

const workers = 8

// pause keeps a load from starving the servers that share its machine.
const pause = 20 * time.Millisecond

// tally is what a load saw, printed as one line of JSON.
type tally struct {
	mutex    sync.Mutex
	Requests int              `json:"requests"`
	Wrong    int              `json:"wrong"`
	Longest  float64          `json:"longest"`
	Errors   map[string]int   `json:"errors"`
	Failed   map[string][]int `json:"failed"`
}

func (t *tally) note(table string, k int, begin time.Time, err error, wrong bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.Requests++
	if took := time.Since(begin).Seconds(); took > t.Longest {
		t.Longest = took
	}
	if err == nil {
		if wrong {
			t.Wrong++
		}
		return
	}
	name := fmt.Sprintf("%T %v", err, err)
	if e, ok := err.(gocql.RequestError); ok {
		name = fmt.Sprintf("0x%04x", e.Code())
	}
	if t.Errors[name] == 0 {
		fmt.Fprintln(os.Stderr, time.Now().Format("15:04:05.000"), table, k, err)
	}
	t.Errors[name]++
	t.Failed[table] = append(t.Failed[table], k)
}

// writeAndRead stores `v` under both keys of `k`, and reads what it could store.
func (t *tally) writeAndRead(s *gocql.Session, k, v int) {
	for table, key := range map[string]any{"ints": k, "texts": fmt.Sprint("ключ ", k)} {
		begin := time.Now()
		err := s.Query("INSERT INTO "+*keyspace+"."+table+" (k, v) VALUES (?, ?)", key, v).Exec()
		t.note(table, k, begin, err, false)
		if err != nil {
			continue
		}
		got := -1
		begin = time.Now()
		err = s.Query("SELECT v FROM "+*keyspace+"."+table+" WHERE k = ?", key).Scan(&got)
		t.note(table, k, begin, err, got != v)
	}
}

func (t *tally) print() {
	out, err := json.Marshal(t)
	check(err)
	say(string(out))
}

func newTally() *tally { return &tally{Errors: map[string]int{}, Failed: map[string][]int{}} }

// load writes and reads back every key over and over until a line arrives, then prints what it saw.
func load() int {
	s := connect(*keyspace)
	defer s.Close()
	stop := make(chan bool)
	go func() {
		lines.Scan()
		close(stop)
	}()
	t := newTally()
	say("@running")
	inParallel(workers, workers, func(worker int) {
		for round := 0; ; round++ {
			for k := worker; k < *keys; k += workers {
				select {
				case <-stop:
					return
				default:
				}
				t.writeAndRead(s, k, round)
				time.Sleep(pause)
			}
		}
	})
	t.print()
	return 0
}

// touch writes and reads back every key once, prints what it saw, waits for a line, and does it again.
func touch() int {
	s := connect(*keyspace)
	defer s.Close()
	for pass := 1; pass <= 2; pass++ {
		t := newTally()
		inParallel(*keys, workers, func(k int) { t.writeAndRead(s, k, pass) })
		t.print()
		lines.Scan()
	}
	return 0
}
