package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/core/wasm/workload"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

func ruleBenchCommand() *cli.Command {
	return &cli.Command{
		Name:      "bench",
		Usage:     "measure what an evaluation of a rule module costs: time, fuel, memory",
		ArgsUsage: "FILE",
		Description: "The module, a file or the name of one that is built in, judges series that are made up. Fuel and memory are the same on\n" +
			"every machine, time is not.\n\n" +
			"Example:\n  tocsin rule bench -series 5000 -samples 20 hot.wasm",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "series", Value: 1000, Usage: "`N` series in each input"},
			&cli.IntFlag{Name: "samples", Value: 20, Usage: "`N` samples of each series; inputs that the engine reduces have one value"},
			&cli.DurationFlag{Name: "time", Value: time.Second, Usage: "measure for about `DURATION`"},
			paramsFlag(), outputFlag(),
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			b := bench{
				Series: cmd.Int("series"), Samples: cmd.Int("samples"), spend: cmd.Duration("time"),
				params: json.RawMessage(cmd.String("params")),
			}
			if b.Series < 1 || b.Samples < 1 || b.spend <= 0 {
				return errors.New("series, samples and time must be positive")
			}
			return withModule(ctx, cmd, func(host *wasm.Host, name string, code []byte) error {
				b.Engine = host.Engine()
				if err := b.run(ctx, host, name, code); err != nil {
					return err
				}
				return printAs(cmd, &b, b.write)
			})
		},
	}
}

// bench is what was measured. Times are means, in nanoseconds.
type bench struct {
	Engine      string   `json:"engine"`
	Series      int      `json:"series_per_input"`
	Samples     int      `json:"samples_per_series"`
	WindowBytes uint64   `json:"window_bytes"`
	Inputs      []string `json:"inputs"` // what each has of a series
	Verdicts    int      `json:"verdicts"`
	First       int64    `json:"first_ns"` // with the names of the series
	Total       int64    `json:"evaluation_ns"`
	Guest       int64    `json:"guest_ns"` // of Total
	Host        int64    `json:"host_ns"`  // the rest
	Evaluations int      `json:"evaluations"`
	Fuel        uint64   `json:"fuel"`         // of an evaluation
	FuelFirst   uint64   `json:"fuel_first"`   // of the first, with the names of the series
	Memory      int      `json:"memory_bytes"` // of the instance, in the end

	spend  time.Duration
	params json.RawMessage
}

func (b *bench) run(ctx context.Context, host *wasm.Host, name string, code []byte) (err error) {
	m, err := host.Load(ctx, name, code, wasm.Limits{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close(ctx)) }()
	params, err := workload.Params(m.Manifest(), b.params)
	if err != nil {
		return err
	}
	for _, in := range m.Manifest().Inputs {
		has := strconv.Itoa(b.Samples) + " samples"
		if in.Reduce != "" {
			has = in.Reduce
		}
		b.Inputs = append(b.Inputs, in.Name+": "+has)
	}
	dictionary := workload.Dictionary(m.Manifest(), 1, b.Series)
	window := workload.Window(m.Manifest(), dictionary, 1, b.Samples)
	b.WindowBytes = abi.WindowSize(window)
	if err := b.measureGuest(ctx, m, params, dictionary, window); err != nil {
		return err
	}
	return b.measureRule(ctx, m, params, dictionary, window)
}

// measureRule evaluates as the engine does.
func (b *bench) measureRule(ctx context.Context, m *wasm.Module, params json.RawMessage, d *abi.Dictionary, w *abi.Window) (err error) {
	r, err := m.NewRule(ctx, wasm.RuleOptions{ID: "bench", Params: params})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close(ctx)) }()
	began := time.Now()
	e, err := r.Eval(ctx, d, w)
	if err != nil {
		return err
	}
	b.First, b.FuelFirst, b.Verdicts = time.Since(began).Nanoseconds(), e.Fuel, len(e.Verdicts)
	began = time.Now()
	for time.Since(began) < b.spend/2 {
		w.Sequence++
		if e, err = r.Eval(ctx, d, w); err != nil {
			return err
		}
		b.Evaluations++
	}
	b.Total = time.Since(began).Nanoseconds() / int64(b.Evaluations)
	b.Guest = min(b.Guest, b.Total) // they were measured one after the other, on a machine that does other things
	b.Fuel, b.Host = e.Fuel, b.Total-b.Guest
	return nil
}

// measureGuest calls the evaluation alone, over a window that is already in the guest's memory.
func (b *bench) measureGuest(ctx context.Context, m *wasm.Module, params json.RawMessage, d *abi.Dictionary, w *abi.Window) error {
	g, err := m.NewGuest(ctx)
	if err != nil {
		return err
	}
	defer g.Close(ctx)
	paramsBlock, err := abi.EncodeParams(m.Manifest().Params, params)
	if err != nil {
		return err
	}
	names, err := abi.EncodeDictionary(d, nil)
	if err != nil {
		return err
	}
	block := make([]byte, abi.WindowSize(w))
	abi.PutWindow(block, w)
	var at uint32
	for _, part := range []struct {
		export string
		slot   uint32
		block  []byte
	}{{abi.ExportConfigure, abi.SlotParams, paramsBlock}, {abi.ExportSeries, abi.SlotSeries, names}, {abi.ExportEval, abi.SlotWindow, block}} {
		buffer, err := g.Call(abi.ExportBuffer, part.slot, uint32(len(part.block)))
		if err != nil {
			return err
		}
		at = uint32(buffer.Code)
		if at == 0 || uint64(at)+uint64(len(part.block)) > uint64(len(g.Memory())) {
			return fmt.Errorf("the module has no memory for %d bytes", len(part.block))
		}
		copy(g.Memory()[at:], part.block)
		if err := mustWork(g.Call(part.export, 0, at, uint32(len(part.block)))); err != nil {
			return err
		}
	}
	n, began := 0, time.Now()
	for time.Since(began) < b.spend/2 {
		if err := mustWork(g.Call(abi.ExportEval, 0, at, uint32(len(block)))); err != nil {
			return err
		}
		n++
	}
	b.Guest, b.Memory = time.Since(began).Nanoseconds()/int64(n), len(g.Memory())
	return nil
}

// mustWork makes an error of a status below zero.
func mustWork(a wasm.Answer, err error) error {
	if err == nil && a.Code < 0 {
		err = fmt.Errorf("%s: %s", abi.StatusCode(a.Code), a.Said)
	}
	return err
}

func (b *bench) write(w io.Writer) error {
	took := func(ns int64) string { return time.Duration(ns).Round(10 * time.Nanosecond).String() }
	_, err := fmt.Fprintf(w, "window      %d series an input, %d bytes; %d verdicts\n"+
		"inputs      %s\n"+
		"evaluation  %s: guest %s, host %s (%d evaluations, %s)\n"+
		"first       %s, with the names of the series\n"+
		"fuel        %d an evaluation, %.2f%% of the default budget; the first %d\n"+
		"memory      %s\n",
		b.Series, b.WindowBytes, b.Verdicts,
		strings.Join(b.Inputs, ", "),
		took(b.Total), took(b.Guest), took(b.Host), b.Evaluations, b.Engine,
		took(b.First),
		b.Fuel, 100*float64(b.Fuel)/wasm.DefaultFuel, b.FuelFirst,
		kib(uint64(b.Memory)))
	return err
}
