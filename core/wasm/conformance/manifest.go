package conformance

import (
	"fmt"
	"reflect"

	"github.com/tocsinhq/tocsin/core/wasm"
	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

func checkManifest(s *suite) error {
	m := s.module.Manifest()
	for _, p := range m.Params {
		if p.Default == nil {
			continue
		}
		values := fmt.Appendf(nil, "{%q: null}", p.Name) // asks for the default
		only := p
		only.Required = false
		if _, err := abi.EncodeParams(append(m.Params[:0:0], only), values); err != nil {
			return fmt.Errorf("the default is not one that is allowed: %w", err)
		}
	}
	_, err := s.ready()
	return err
}

func checkDescribe(s *suite) error {
	g, err := s.open()
	if err != nil {
		return err
	}
	if !g.Has(abi.ExportDescribe) {
		return notApplicable("the module has its manifest in a section and no export " + abi.ExportDescribe)
	}
	a, err := g.Call(abi.ExportDescribe)
	if err == nil {
		err = refused(abi.ExportDescribe, a)
	}
	if err != nil {
		return err
	}
	m, err := abi.ParseManifest(a.Emitted)
	if err != nil {
		return err
	}
	if _, err := wasm.ReadManifest(s.code); err == nil {
		if !reflect.DeepEqual(s.module.Manifest(), m) {
			return fmt.Errorf("the section %s and the export %s differ", abi.ManifestSection, abi.ExportDescribe)
		}
	}
	return nil
}
