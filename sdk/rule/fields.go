package rule

import (
	"errors"
	"reflect"
	"time"

	"github.com/tocsinhq/tocsin/sdk/rule/abi"
)

var (
	inputType    = reflect.TypeFor[Input]()
	matcherType  = reflect.TypeFor[Matcher]()
	durationType = reflect.TypeFor[time.Duration]()
)

// structOf returns the struct behind a rule.
func structOf(r Rule) (reflect.Value, error) {
	v := reflect.ValueOf(r)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return v, errors.New("a rule must be a pointer to a struct")
	}
	return v.Elem(), nil
}

// inputsOf lists the inputs of a rule in the order of its fields, which is the order of the manifest and the window.
func inputsOf(v reflect.Value) []*Input {
	var inputs []*Input
	for i := range v.NumField() {
		if _, ok := v.Type().Field(i).Tag.Lookup("input"); ok && v.Type().Field(i).Type == inputType {
			inputs = append(inputs, v.Field(i).Addr().Interface().(*Input))
		}
	}
	return inputs
}

// setParams fills the fields of a rule.
func setParams(v reflect.Value, params []abi.Param) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, ok := f.Tag.Lookup("param")
		if !ok {
			continue
		}
		for k := range params {
			if params[k].Name == name {
				if err := setField(v.Field(i), &params[k]); err != nil {
					return errors.New("parameter " + name + ": " + err.Error())
				}
			}
		}
		if f.Type == matcherType {
			if err := Matcher(v.Field(i).String()).Check(); err != nil && v.Field(i).String() != "" {
				return errors.New("parameter " + name + ": " + err.Error())
			}
		}
	}
	return nil
}

var errType = errors.New("the value has another type than the field")

func setField(v reflect.Value, p *abi.Param) error {
	switch {
	case p.Shape == abi.ParamList && v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), p.Len(), p.Len()))
		for i := range p.Len() {
			if err := setScalar(v.Index(i), p, i); err != nil {
				return err
			}
		}
		return nil
	case p.Shape == abi.ParamMap && v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i, key := range p.Keys {
			element := reflect.New(v.Type().Elem()).Elem()
			if err := setScalar(element, p, i); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(key), element)
		}
		return nil
	case p.Shape == abi.ParamScalar && p.Len() == 1:
		if v.Kind() == reflect.Pointer {
			v.Set(reflect.New(v.Type().Elem()))
			v = v.Elem()
		}
		return setScalar(v, p, 0)
	}
	return errType
}

func setScalar(v reflect.Value, p *abi.Param, i int) error {
	switch {
	case p.Type == abi.ParamBool && v.Kind() == reflect.Bool:
		v.SetBool(p.Bools[i])
	case p.Type == abi.ParamDuration && v.Type() == durationType, p.Type == abi.ParamInt && v.CanInt():
		v.SetInt(p.Ints[i])
	case p.Type == abi.ParamInt && v.CanUint() && p.Ints[i] >= 0:
		v.SetUint(uint64(p.Ints[i]))
	case p.Type == abi.ParamFloat && v.CanFloat():
		v.SetFloat(p.Floats[i])
	case p.Type == abi.ParamString && v.Kind() == reflect.String:
		v.SetString(p.Texts[i])
	default:
		return errType
	}
	return nil
}
