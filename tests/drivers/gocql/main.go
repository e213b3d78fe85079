// What an application does with gocql, as lines that do not change from run to run.
//
// The lines of a run straight to the cluster and of a run through the proxy have to be equal byte
// for byte. Lines that start with `@` speak to whoever started the program. The same source builds
// with gocql/gocql (go.mod), with ScyllaDB's fork (scylla.mod) and, its import path changed, with the
// Apache driver (v2.mod).
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"math/big"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/gocql/gocql"
	"gopkg.in/inf.v0"
)

var (
	host        = flag.String("host", "", "contact point")
	port        = flag.Int("port", 9042, "its port")
	keyspace    = flag.String("keyspace", "smoke_gocql", "keyspace to work in")
	dataCenter  = flag.String("data-center", "dc1", "data centre of the keyspace")
	factor      = flag.Int("rf", 3, "replication factor")
	version     = flag.Int("version", 0, "protocol version; 0 leaves it to the driver")
	compression = flag.String("compression", "", "a key of compressors")
	skip        = flag.String("skip", "", "sections to leave out, comma separated")
	mode        = flag.String("mode", "smoke", "smoke, load, touch, texts, columns, errors or five")
	consistency = flag.String("consistency", "QUORUM", "consistency level")
	keys        = flag.Int("keys", 200, "how many keys the other modes use")
	words       = []string{"", "plain", "ärger", "Привет", "日本語", "🦀 lane"}
	user        = flag.String("user", "", "log in as this role")
	password    = flag.String("password", "", "its password")
	ca          = flag.String("ca", "", "speak TLS with servers that this CA signed")
	lines       = bufio.NewScanner(os.Stdin)
)

func say(words ...any) { fmt.Println(words...) }

func uid(n int) gocql.UUID {
	id, err := gocql.ParseUUID(fmt.Sprintf("6f1c2f0e-7d50-4a57-9b7c-%012d", n))
	check(err)
	return id
}

// check ends the section; main reports it and goes on with the next one.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func connect(ks string) *gocql.Session {
	cluster := gocql.NewCluster(*host)
	cluster.Port = *port
	cluster.Keyspace = ks
	cluster.Timeout = 60 * time.Second
	cluster.MaxWaitSchemaAgreement = 60 * time.Second
	cluster.ConnectTimeout = 10 * time.Second
	cluster.Consistency = gocql.ParseConsistency(*consistency)
	cluster.ReconnectInterval = time.Second
	cluster.ProtoVersion = *version
	cluster.Compressor = compressors[*compression]
	cluster.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(gocql.RoundRobinHostPolicy())
	if *ca != "" {
		cluster.SslOpts = &gocql.SslOptions{CaPath: *ca, EnableHostVerification: true}
	}
	if *user != "" {
		cluster.Authenticator = gocql.PasswordAuthenticator{Username: *user, Password: *password}
	}
	session, err := cluster.CreateSession()
	check(err)
	return session
}

type smoke struct{ s *gocql.Session }

func (t *smoke) do(text string, values ...any) { check(t.s.Query(text, values...).Exec()) }

func (t *smoke) row(text string, values ...any) map[string]any {
	row := map[string]any{}
	if err := t.s.Query(text, values...).MapScan(row); err != gocql.ErrNotFound {
		check(err)
	}
	return row
}

func (t *smoke) schema() {
	t.do("DROP KEYSPACE IF EXISTS " + *keyspace)
	t.do(fmt.Sprintf("CREATE KEYSPACE %s WITH replication = {'class': 'NetworkTopologyStrategy', '%s': %d}",
		*keyspace, *dataCenter, *factor))
	t.s.Close()
	t.s = connect(*keyspace)
	t.do("CREATE TABLE types (k int PRIMARY KEY, a text, b blob, c uuid, d bigint, e double, f boolean, " +
		"g timestamp, h inet, i list<int>, j map<text, int>, l set<text>, m decimal, n varint)")
	t.do("CREATE TABLE rows (p text, q int, c int, v text, PRIMARY KEY ((p, q), c))")
	t.do("CREATE TABLE blobs (k blob PRIMARY KEY, v blob)")
	t.do("CREATE TABLE ids (k uuid PRIMARY KEY, v int)")
	say("schema: used", *keyspace)
}

func (t *smoke) simple() {
	t.do("INSERT INTO ids (k, v) VALUES (?, ?)", uid(1), 7)
	say("simple:", t.row("SELECT k, v FROM ids WHERE k = ?", uid(1)))
	t.do(fmt.Sprintf("INSERT INTO %s.ids (k, v) VALUES (%s, 8)", *keyspace, uid(2)))
	t.do("INSERT INTO ids (k, v) VALUES (:k, :v)", gocql.NamedValue("k", uid(3)), gocql.NamedValue("v", 9))
	say("simple: named", t.row("SELECT v FROM ids WHERE k = :k", gocql.NamedValue("k", uid(3))))
	say("simple: literal", t.row(fmt.Sprintf("SELECT v FROM ids WHERE k = %s", uid(2))))
}

func (t *smoke) prepared() {
	for n, word := range words {
		blob := make([]byte, n*40)
		ints, lengths := []int{}, map[string]int{}
		for i := range blob {
			blob[i] = byte(i)
		}
		for i, w := range words[:n] {
			ints, lengths[w] = append(ints, i), len(w)
		}
		wide := new(big.Int).Lsh(big.NewInt(int64(n)), 70)
		t.do("INSERT INTO types (k, a, b, c, d, e, f, g, h, i, j, l, m, n) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			n*1_000_003-2, word, blob, uid(n), int64(-n)<<40, float64(n)/3, n%2 == 0,
			time.Unix(1577836800+int64(n), 0), fmt.Sprintf("10.0.0.%d", n), ints, lengths, words[:n],
			inf.NewDec(int64(n), 3), wide)
		got := t.row("SELECT k, a, b, c, d, e, f, g, h, i, j, l, m, n FROM types WHERE k = ?", n*1_000_003-2)
		say("prepared:", n, got)
	}
	for _, size := range []int{1, 15, 16, 17, 200, 5000} {
		key := make([]byte, size)
		for i := range key {
			key[i] = byte(7*i + size)
		}
		t.do("INSERT INTO blobs (k, v) VALUES (?, ?)", key, append(key, key...))
		got := t.row("SELECT v FROM blobs WHERE k = ?", key)
		say("prepared: blob key of", size, bytes.Equal(got["v"].([]byte), append(key, key...)))
	}
}

func (t *smoke) nothing() {
	t.do("INSERT INTO types (k, a, d) VALUES (?, ?, ?)", 9001, "kept", 5)
	if *version == 3 { // which knows no unset
		t.do("INSERT INTO types (k, d) VALUES (?, ?)", 9001, nil)
	} else {
		t.do("INSERT INTO types (k, a, d) VALUES (?, ?, ?)", 9001, gocql.UnsetValue, nil)
	}
	var a *string
	var d *int64
	check(t.s.Query("SELECT a, d FROM types WHERE k = ?", 9001).Scan(&a, &d))
	say("null and unset:", *a, d)
	say("no row:", t.s.Query("SELECT a, d FROM types WHERE k = ?", 9002).Scan(&a, &d) == gocql.ErrNotFound)
}

func (t *smoke) batches() {
	for name, kind := range map[string]gocql.BatchType{"logged": gocql.LoggedBatch, "unlogged": gocql.UnloggedBatch} {
		batch := t.s.NewBatch(kind)
		for c, word := range words {
			batch.Query("INSERT INTO rows (p, q, c, v) VALUES (?, ?, ?, ?)", name, 1, c, word)
		}
		batch.Query(fmt.Sprintf("INSERT INTO rows (p, q, c, v) VALUES ('%s', 1, 99, 'simple')", name))
		check(t.s.ExecuteBatch(batch))
	}
	for _, name := range []string{"logged", "unlogged"} {
		got, err := t.s.Query("SELECT c, v FROM rows WHERE p = ? AND q = 1", name).Iter().SliceMap()
		check(err)
		say("batch:", name, got)
	}
}

func (t *smoke) paging() {
	inParallel(1000, 50, func(c int) {
		t.do("INSERT INTO rows (p, q, c, v) VALUES ('pages', 2, ?, ?)", c, fmt.Sprint("v", c))
	})
	for _, direction := range []string{"ASC", "DESC"} {
		pages, seen, right := []int{}, 0, true
		var state []byte
		for {
			q := t.s.Query("SELECT c, v FROM rows WHERE p = ? AND q = ? ORDER BY c "+direction, "pages", 2)
			iter := q.PageSize(100).PageState(state).Iter()
			state = iter.PageState()
			if n := iter.NumRows(); n > 0 {
				pages = append(pages, n)
			}
			var c int
			var v string
			for iter.Scan(&c, &v) {
				wanted := seen
				if direction == "DESC" {
					wanted = 999 - seen
				}
				right = right && c == wanted && v == fmt.Sprint("v", c)
				seen++
				if len(state) > 0 && seen%100 == 0 {
					break // one page at a time: iter would fetch the next one by itself
				}
			}
			if len(state) == 0 {
				check(iter.Close())
				break
			}
		}
		say("paging:", direction, pages, seen, right)
	}
}

func (t *smoke) conditional() {
	insert := "INSERT INTO ids (k, v) VALUES (?, ?) IF NOT EXISTS"
	update := "UPDATE ids SET v = ? WHERE k = ? IF v = ?"
	for _, c := range []struct {
		name, text string
		values     []any
	}{
		{"inserted", insert, []any{uid(50), 1}}, {"inserted twice", insert, []any{uid(50), 2}},
		{"updated", update, []any{3, uid(50), 1}}, {"not updated", update, []any{4, uid(50), 1}},
	} {
		row := map[string]any{}
		applied, err := t.s.Query(c.text, c.values...).MapScanCAS(row)
		check(err)
		say("lwt:", c.name, applied, row)
	}
}

func (t *smoke) errors() {
	for _, c := range [][2]string{
		{"syntax", "SELEKT 1"}, {"table", "SELECT * FROM nowhere"}, {"column", "SELECT nothing FROM ids"},
		{"exists", "CREATE TABLE ids (k int PRIMARY KEY)"}, {"keyspace", "SELECT * FROM no_such_keyspace.t"},
		{"key", "SELECT * FROM rows WHERE p = 'x'"},
	} {
		err := t.s.Query(c[1]).Exec()
		if e, ok := err.(gocql.RequestError); ok {
			say("error:", c[0], fmt.Sprintf("%T 0x%04x %s", err, e.Code(), e.Message()))
		} else {
			say("error:", c[0], fmt.Sprintf("%T %v", err, err))
		}
	}
	say("error: keyspace stays", t.row("SELECT v FROM ids WHERE k = ?", uid(1)))
}

func (t *smoke) large() {
	blob := make([]byte, 2<<20)
	for i := range blob {
		blob[i] = byte(i * i % 251)
	}
	t.do("INSERT INTO blobs (k, v) VALUES (?, ?)", []byte("large"), blob)
	back := t.row("SELECT v FROM blobs WHERE k = ?", []byte("large"))["v"].([]byte)
	say("large:", len(back), bytes.Equal(back, blob))
}

// inParallel calls run for 0..n, so many at a time; the first panic comes back to the caller.
func inParallel(n, at int, run func(int)) {
	var wait sync.WaitGroup
	var mutex sync.Mutex
	var failed any
	places := make(chan bool, at)
	for i := 0; i < n; i++ {
		wait.Add(1)
		places <- true
		go func(i int) {
			defer func() {
				if e := recover(); e != nil {
					mutex.Lock()
					failed = e
					mutex.Unlock()
				}
				<-places
				wait.Done()
			}()
			run(i)
		}(i)
	}
	wait.Wait()
	if failed != nil {
		panic(failed)
	}
}

func (t *smoke) many() {
	wrong := make([]bool, 500)
	inParallel(500, 500, func(i int) {
		k := i*7919 - 400_000
		t.do("INSERT INTO types (k, a, d) VALUES (?, ?, ?)", k, fmt.Sprint("w", k), int64(k)<<20)
	})
	inParallel(500, 500, func(i int) {
		k := i*7919 - 400_000
		got := t.row("SELECT k, a, d FROM types WHERE k = ?", k)
		wrong[i] = got["k"] != k || got["a"] != fmt.Sprint("w", k) || got["d"] != int64(k)<<20
	})
	count := 0
	for _, w := range wrong {
		if w {
			count++
		}
	}
	say("in flight: 500 at once, wrong", count)
}

func (t *smoke) definitions() {
	for n := 0; n < 10; n++ {
		t.do(fmt.Sprintf("CREATE TABLE fresh%d (k int PRIMARY KEY, v text)", n))
		t.do(fmt.Sprintf("INSERT INTO fresh%d (k, v) VALUES (?, ?)", n), n, fmt.Sprint("f", n))
		say("fresh:", t.row(fmt.Sprintf("SELECT k, v FROM fresh%d WHERE k = ?", n), n))
	}
}

// table is the driver's own description of one table. It learns of new tables by events, some time after
// them. ScyllaDB's fork forgets every table that an event names, and reads it again only when it is asked
// for by name: its KeyspaceMetadata holds what happens to be known.
func (t *smoke) table(name string) *gocql.TableMetadata {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if one, ok := any(t.s).(interface {
			TableMetadata(keyspace, table string) (*gocql.TableMetadata, error)
		}); ok {
			meta, err := one.TableMetadata(*keyspace, name)
			if err == nil {
				return meta
			}
		} else {
			meta, err := t.s.KeyspaceMetadata(*keyspace)
			check(err)
			if meta.Tables[name] != nil {
				return meta.Tables[name]
			}
		}
		if time.Now().After(deadline) {
			panic("the driver does not see table " + name)
		}
	}
}

func (t *smoke) metadata() {
	names := []string{"blobs", "ids", "rows", "types"}
	for n := 0; n < 10; n++ {
		names = append(names, fmt.Sprint("fresh", n))
	}
	for _, name := range names {
		columns := []string{}
		meta := t.table(name)
		for column, c := range meta.Columns {
			columns = append(columns, fmt.Sprintf("%s %v", column, c.Type))
		}
		sort.Strings(columns)
		say("metadata:", name, len(meta.PartitionKey), columns)
	}
}

func (t *smoke) altered() {
	say("alter: before", t.row("SELECT k, v FROM fresh1 WHERE k = ?", 1))
	t.do("ALTER TABLE fresh1 ADD extra int")
	t.do("INSERT INTO fresh1 (k, v, extra) VALUES (1, 'f1', 11)")
	say("alter: after", t.row("SELECT k, v, extra FROM fresh1 WHERE k = ?", 1))
}

func (t *smoke) second() {
	other := connect(*keyspace)
	defer other.Close()
	say("second session:", (&smoke{other}).row("SELECT v FROM ids WHERE k = ?", uid(1)))
	(&smoke{other}).do("CREATE TABLE seen (k int PRIMARY KEY, v text)")
	(&smoke{other}).do("ALTER TABLE ids ADD later int")
	for deadline := time.Now().Add(30 * time.Second); t.table("ids").Columns["later"] == nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			panic("the driver does not see column later")
		}
	}
	say("schema of another session seen:", len(t.table("seen").Columns), len(t.table("ids").Columns))
}

func (t *smoke) reconnect() {
	say("reconnect: before", t.row("SELECT v FROM ids WHERE k = ?", uid(1)))
	say("@restart")
	lines.Scan()
	deadline := time.Now().Add(60 * time.Second)
	for {
		row := map[string]any{}
		err := t.s.Query("SELECT v FROM ids WHERE k = ?", uid(1)).MapScan(row)
		if err == nil {
			say("reconnect: after", row)
			return
		}
		if time.Now().After(deadline) {
			panic(err)
		}
		say("@waiting", err)
		time.Sleep(250 * time.Millisecond)
	}
}

func main() {
	flag.Parse()
	switch *mode {
	case "load":
		os.Exit(load())
	case "touch":
		os.Exit(touch())
	case "texts":
		os.Exit(texts())
	case "columns":
		os.Exit(columns())
	case "errors":
		os.Exit(errors())
	case "five":
		os.Exit(versionFive())
	}
	t := &smoke{connect("")}
	say("connected")
	failed := 0
	for _, section := range []struct {
		name string
		run  func()
	}{
		{"schema", t.schema}, {"simple", t.simple}, {"prepared", t.prepared}, {"nothing", t.nothing},
		{"batches", t.batches}, {"paging", t.paging}, {"conditional", t.conditional}, {"errors", t.errors},
		{"large", t.large}, {"many", t.many}, {"definitions", t.definitions}, {"metadata", t.metadata},
		{"altered", t.altered}, {"second", t.second}, {"reconnect", t.reconnect},
	} {
		if strings.Contains(","+*skip+",", ","+section.name+",") {
			continue
		}
		func() {
			defer func() {
				if e := recover(); e != nil {
					failed = 1
					say(fmt.Sprintf("FAILED %s: %T %v", section.name, e, e))
				}
			}()
			section.run()
		}()
	}
	t.s.Close()
	say("end")
	os.Exit(failed)
}
