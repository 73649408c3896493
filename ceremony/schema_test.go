package ceremony

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"claviger/ledger"
)

// TestBodiesAreDeclaredInOrder: what is declared in the order of RFC 8785 is canonical
// as it is written, and is not sorted anew at each reading.
func TestBodiesAreDeclaredInOrder(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var look func(reflect.Type)
	look = func(of reflect.Type) {
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			look(of.Elem())
		case reflect.Struct:
			if seen[of] {
				return
			}
			seen[of] = true
			before := ""
			for i := range of.NumField() {
				name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
				if name < before {
					t.Errorf("%v has %q after %q", of, name, before)
				}
				before = name
				look(of.Field(i).Type)
			}
		}
	}
	for _, body := range bodies {
		look(reflect.TypeOf(body()))
	}
}

// TestRecordSchema keeps docs/records.schema.json, what an outsider reads, equal
// to the Go types that the rules use. CLAVIGER_UPDATE=1 writes it.
func TestRecordSchema(t *testing.T) {
	var kinds []any
	for _, kind := range sortedKeys(bodies) {
		kinds = append(kinds, map[string]any{
			"title": kind,
			"properties": map[string]any{
				"kind": map[string]any{"const": kind},
				"v":    map[string]any{"const": 1},
				"body": schemaOf(reflect.TypeOf(bodies[kind]()).Elem()),
			},
		})
	}
	schema := map[string]any{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"title":       "One record of a Claviger ledger, format 1",
		"description": "One line of RFC 8785 canonical JSON; its leaf is SHA-256(0x00 || line), prev is the leaf of the line before.",
		"type":        "object",
		"required":    []string{"body", "ceremony", "kind", "prev", "seq", "time", "v"},
		"properties": map[string]any{
			"ceremony": map[string]any{"type": "string", "description": "number of the ceremony; empty outside of one"},
			"prev":     hashSchema(),
			"seq":      map[string]any{"type": "integer", "minimum": 0},
			"time":     map[string]any{"type": "string", "pattern": `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`},
		},
		"oneOf": kinds,
	}
	got, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("..", "docs", "records.schema.json")
	if os.Getenv("CLAVIGER_UPDATE") == "1" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Error("docs/records.schema.json is not what the types say; run with CLAVIGER_UPDATE=1 and read the difference: a released body never changes")
	}
}

func hashSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": "^[0-9a-f]{64}$"}
}

func schemaOf(t reflect.Type) map[string]any {
	if t == reflect.TypeFor[ledger.Hash]() {
		return hashSchema()
	}
	switch t.Kind() {
	case reflect.Struct:
		properties, required := map[string]any{}, []string{}
		for i := range t.NumField() {
			name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			properties[name] = schemaOf(t.Field(i).Type)
			if options != "omitzero" {
				required = append(required, name)
			}
		}
		return map[string]any{"type": "object", "additionalProperties": false, "properties": properties, "required": required}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	}
	return map[string]any{"type": "string"}
}
