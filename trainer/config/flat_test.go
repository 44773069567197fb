package config

import (
	"reflect"
	"testing"
)

func TestFlat(t *testing.T) {
	got, err := Flat([]byte(`{"norm":{"encoder":"bn"},"lr":1e-05,"big":9007199254740993,"on":true}`))
	want := map[string]string{"norm.encoder": "bn", "lr": "1e-05", "big": "9007199254740993", "on": "true"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := Flat([]byte("[1]")); err == nil {
		t.Error("a list is taken for settings")
	}
}
