// Command build-rule is "tocsin rule build" without the rest of tocsin: the Makefile builds the modules with it that are
// embedded into tocsin itself.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tocsinhq/tocsin/core/wasm/pack"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "Usage: build-rule DIR OUT")
		os.Exit(2)
	}
	if err := pack.Build(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
