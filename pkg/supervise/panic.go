package supervise

import (
	"fmt"
	"runtime/debug"

	"go.uber.org/zap"
)

// Panic is a panic as an error.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Panicked makes an error of what recover returned. It is called where that was: the stack is still there.
func Panicked(value any) *Panic {
	if p, ok := value.(*Panic); ok {
		return p // passed on
	}
	return &Panic{Value: value, Stack: debug.Stack()}
}

// Fields are what a log line tells of it.
func (p *Panic) Fields() []zap.Field {
	return []zap.Field{zap.Any("panic", p.Value), zap.ByteString("stack", p.Stack)}
}

// Call calls do. A panic in it is its error, a *Panic.
func Call(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = Panicked(v)
		}
	}()
	return do()
}
