package auth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestSecret(t *testing.T) {
	const text = "hunter2hunter2"
	s := Secret(text)
	if s.Reveal() != text {
		t.Errorf("Reveal() = %q", s.Reveal())
	}
	holder := struct {
		Name string
		Key  Secret
		Ptr  *Secret
		In   []Secret
		Map  map[string]Secret
	}{"x", s, &s, []Secret{s}, map[string]Secret{"a": s}}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%10s", "%t"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, &holder))
	}
	js, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var slogged bytes.Buffer
	slog.New(slog.NewTextHandler(&slogged, nil)).Info("m", "key", s, "all", holder)
	slog.New(slog.NewJSONHandler(&slogged, nil)).Info("m", "key", s, "all", holder)
	zapped, err := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()).EncodeEntry(zapcore.Entry{},
		[]zap.Field{zap.Any("key", s), zap.Any("all", holder), zap.Stringer("stringer", s)})
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, s.String(), s.GoString(), string(js), slogged.String(), zapped.String(),
		fmt.Sprint(s), fmt.Errorf("key %v", s).Error())
	for _, out := range shown {
		hex := fmt.Sprintf("%x", text[:4])
		if strings.Contains(out, text[:4]) || strings.Contains(strings.ToLower(out), hex) {
			t.Errorf("the secret shows: %s", out)
		}
	}
	if got := fmt.Sprintf("%v|%#v|%s", s, s, js); !strings.HasPrefix(got, "***|***|") || !strings.Contains(got, `"Key":"***"`) {
		t.Errorf("masked as %s", got)
	}
	empty, err := json.Marshal(Secret(""))
	if got := fmt.Sprintf("%v%#v%q", Secret(""), Secret(""), Secret("")); got != "" || string(empty) != `""` || err != nil {
		t.Errorf("an empty secret shows as %q and %s, %v", got, empty, err)
	}
}
