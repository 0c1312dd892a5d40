package store

import (
	_ "embed" // the scripts
	"errors"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed queue.lua
	queueLua string
	//go:embed append.lua
	appendLua string
	//go:embed read.lua
	readLua string
	//go:embed remove.lua
	removeLua string
	//go:embed len.lua
	lenLua string
	//go:embed note.lua
	noteLua string
	//go:embed take.lua
	takeLua string
	//go:embed use.lua
	useLua string
	//go:embed revoke.lua
	revokeLua string
	//go:embed revoked.lua
	revokedLua string

	appendScript = redis.NewScript(queueLua + appendLua)
	readScript   = redis.NewScript(queueLua + readLua)
	removeScript = redis.NewScript(queueLua + removeLua)
	lenScript    = redis.NewScript(queueLua + lenLua)
	noteScript   = redis.NewScript(noteLua)
	takeScript   = redis.NewScript(takeLua)

	useScript     = redis.NewScript(useLua)
	revokeScript  = redis.NewScript(revokeLua)
	revokedScript = redis.NewScript(revokedLua)
)

var errReply = errors.New("redis: unexpected reply of a script")

// two returns both values of a script's reply.
func two[A, B any](reply []any) (a A, b B, err error) {
	if len(reply) == 2 {
		var first, second bool
		a, first = reply[0].(A)
		b, second = reply[1].(B)
		if first && second {
			return a, b, nil
		}
	}
	return a, b, errReply
}
