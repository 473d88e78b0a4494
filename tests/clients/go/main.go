// What only Go can show of Timonel: how an operator written with controller-runtime does, and how Kubernetes' own code
// reads the protobuf that Timonel writes. The tests beside this folder run it.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	programs := map[string]func() error{"operator": runOperator, "protobuf": compareProtobuf}
	program, known := programs[strings.Join(os.Args[1:], " ")]
	if !known {
		fmt.Fprintln(os.Stderr, "usage: operator|protobuf")
		os.Exit(2)
	}
	if err := program(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
