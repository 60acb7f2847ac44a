// Command misfit is a rule module that misbehaves as it is told.
package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule"
)

// Misfit does what Do says.
type Misfit struct {
	Do string     `param:"do" required:"true"`
	In rule.Input `input:"in"`

	kept  [][]byte
	calls int
}

// Describe names the module.
func (*Misfit) Describe() rule.Info { return rule.Info{Name: "misfit"} }

// Eval misbehaves.
func (m *Misfit) Eval(w rule.Window, out *rule.Verdicts) error {
	m.calls++
	switch m.Do {
	case "loop":
		for {
			m.calls++
		}
	case "burn": // nearly all of its fuel, and ends in good order
		for rule.FuelLeft() > 1_000_000 {
			for range 10_000 {
				m.calls++
			}
		}
	case "recurse":
		out.Active(rule.Whole(), recurse(1))
	case "grow":
		for {
			m.kept = append(m.kept, make([]byte, 1<<20))
		}
	case "panic":
		var none []int
		_ = none[m.calls]
	case "nil":
		var none *Misfit
		none.calls++
	case "exit":
		fmt.Fprintln(os.Stderr, "giving up")
		os.Exit(3)
	case "fail":
		return errors.New("I will not")
	case "wait":
		<-make(chan int)
	case "sleep":
		time.Sleep(time.Hour)
	case "talk":
		for range 1000 {
			rule.Log(rule.LevelInfo, "blah")
		}
	case "look":
		out.Active(rule.Whole(), float64(m.calls)).Text(look())
	}
	return nil
}

func recurse(depth float64) float64 {
	var frame [64]float64
	frame[int(depth)%64] = depth
	return recurse(depth+1) + frame[int(depth+1)%64]
}

// look reports what can be seen of the world.
func look() string {
	before := time.Now()
	var random [8]byte
	_, err := rand.Read(random[:])
	_, fileErr := os.ReadFile("/etc/passwd")
	return fmt.Sprintf("now %s, args %d, env %q, random %x %v, file %v",
		before.UTC().Format(time.RFC3339), len(os.Args), os.Environ(), random, err, fileErr != nil)
}

func init() { rule.Register(func() rule.Rule { return new(Misfit) }) }

func main() { rule.Main() }
