package main

import "fmt"

// what prints what comes of f: nothing wrong, the error, or what it panics with.
func what(name string, f func() error) {
	defer func() {
		if r := recover(); r != nil {
			say(name+":", "panic:", r)
		}
	}()
	if err := f(); err != nil {
		say(name+":", "error:", err)
		return
	}
	say(name + ": done")
}

// versionFive tries what needs protocol 5, as far as the driver knows it.
func versionFive() int {
	s := connect("")
	ofVersionFive(s)
	s.Close()
	*version = 5
	what("pinned to 5", func() error {
		s := connect("")
		defer s.Close()
		var v int
		if err := s.Query("SELECT v FROM v5.t WHERE k = 1").Scan(&v); err != nil {
			return err
		}
		if v != 7 {
			return fmt.Errorf("read %d", v)
		}
		return nil
	})
	return 0
}
