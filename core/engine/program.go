package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tocsinhq/tocsin/core/rule"
	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/window"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

// program is a rule as the rule manager sees it, or a part of one: the window it reads and the module that judges it.
// It is used by one evaluation at a time.
type program struct {
	view   *window.View
	rule   *wasm.Rule
	inputs []string // names, for people; "" for an optional input that is not configured
	memory *memory  // nil: the module keeps no state

	window     abi.Window // as it was read last
	dictionary *abi.Dictionary
}

// Eval reads the window as it stands at that moment and asks the module.
func (p *program) Eval(ctx context.Context, at time.Time) (rule.Evaluation, error) {
	result := p.read(at)
	err := p.judge(ctx, &result)
	return result, err
}

// read reads the window and says what is missing in it.
func (p *program) read(at time.Time) rule.Evaluation {
	p.window.Sequence++
	p.window.Time = at.UnixMilli()
	p.dictionary = p.view.Read(at, &p.window)

	result := rule.Evaluation{Complete: true}
	var missing []string
	for i, in := range p.window.Inputs {
		if p.inputs[i] == "" {
			continue
		}
		switch {
		case in.TargetsAnswered < in.TargetsExpected:
			result.Complete = false
			missing = append(missing, fmt.Sprintf("input %s: %d of %d targets did not answer", p.inputs[i], in.TargetsExpected-in.TargetsAnswered, in.TargetsExpected))
		case len(in.Series) == 0 && p.view.Left(i):
			result.Left = true
			continue
		case len(in.Series) == 0:
			missing = append(missing, fmt.Sprintf("input %s matches no series", p.inputs[i]))
		}
		if len(in.Series) == 0 {
			result.Empty = true
		}
	}
	result.Missing = strings.Join(missing, "; ")
	return result
}

// sees tells whether any series was read.
func (p *program) sees() bool {
	for _, in := range p.window.Inputs {
		if len(in.Series) > 0 {
			return true
		}
	}
	return false
}

// judge asks the module about what was read.
func (p *program) judge(ctx context.Context, result *rule.Evaluation) error {
	verdict, err := p.rule.Eval(ctx, p.dictionary, &p.window)
	if err != nil {
		return err
	}
	if p.memory != nil && !verdict.NoVerdict {
		p.memory.evaluated(ctx, time.UnixMilli(p.window.Time), verdict.Verdicts)
	}
	// What was taken away needs no judgement.
	result.Verdicts, result.NoVerdict, result.Fuel = verdict.Verdicts, verdict.NoVerdict && !result.Left, verdict.Fuel
	return nil
}

// Close keeps what the rule remembers, ends the demand on the window and gives the module's memory back.
func (p *program) Close(ctx context.Context) error {
	if p.memory != nil && !p.memory.taken.IsZero() { // one that was never evaluated knows nothing that others do not
		p.memory.snapshot(ctx, false)
	}
	p.view.Close()
	return p.rule.Close(ctx)
}
