package store

import "strings"

// Every key of Redis begins with rt: and has its user in braces, the hash tag: a cluster keeps
// the keys of a user on one node, which a script over several of them requires. What is revoked is of all users.

// tag makes a user part of a hash tag. A brace would end it early, so that two keys of the
// user could end up apart.
var tag = strings.NewReplacer("%", "%25", "}", "%7D")

// seenKey is the key of when a user was last seen: a sorted set of seenMember alone.
func seenKey(user string) string { return "rt:{" + tag.Replace(user) + "}:seen" }

// seenMember has the time, Unix milliseconds, as its score.
const seenMember = "at"

// sessionKey is the key of a session: a hash, as note.lua tells.
func sessionKey(user, id string) string { return "rt:{" + tag.Replace(user) + "}:session:" + id }

// queueKeys are the keys of a user's queue: the stream and its index.
func queueKeys(user string) []string {
	key := "rt:{" + tag.Replace(user) + "}:dm"
	return []string{key, key + ":index"}
}

// familyKey is the key of a family of refresh tokens: a hash, as use.lua tells.
func familyKey(user, family string) string { return "rt:{" + tag.Replace(user) + "}:family:" + family }

// revocationKeys are those of what is revoked, as revoke.lua tells. A user of this name has no key of these.
var revocationKeys = []string{
	"rt:{revocations}:log", "rt:{revocations}:until", "rt:{revocations}:terms", "rt:{revocations}:marks",
}
