package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gocql/gocql"
)

// errors runs the statements that it is given, one a line as consistency, tab, text, and a tab and p if it is to be prepared, and
// prints what each error is.
func errors() int {
	s := connect("")
	defer s.Close()
	say("@running")
	for lines.Scan() {
		level, text, _ := strings.Cut(strings.TrimSuffix(lines.Text(), "\tp"), "\t")
		// A statement that is prepared again and again ends so.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := s.Query(text).Consistency(gocql.ParseConsistency(level)).WithContext(ctx).Exec()
		cancel()
		name := strings.TrimPrefix(fmt.Sprintf("%T", err), "*")
		switch e := err.(type) {
		case nil:
			name = "none"
		case gocql.RequestError:
			name += fmt.Sprintf(" 0x%04x", e.Code())
		}
		say(name)
	}
	return 0
}
