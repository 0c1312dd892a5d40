package auth

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/tidwall/gjson"

	"github.com/realtime-cluster/realtime/pkg/topic"
)

// claimSet is the claims of a token as they were written. The parser decodes it before it
// checks the signature, so that its results wait for the methods called after.
//
// Names are compared exactly, as RFC 7519 section 4 wants it and encoding/json does not: a
// claim "SUB", which an issuer may let anyone fill, is not the user.
type claimSet struct {
	sub, userID, sid   gjson.Result
	exp, nbf, iat      gjson.Result
	iss, aud           gjson.Result
	roles, permissions gjson.Result
	topics             gjson.Result
	jti, family        gjson.Result
	authTime           gjson.Result
	serial, accessTTL  gjson.Result // of refresh tokens
	bad                bool         // not an object, or not UTF-8
}

// UnmarshalJSON implements json.Unmarshaler, data being valid JSON. It returns no error.
func (c *claimSet) UnmarshalJSON(data []byte) error {
	all := gjson.ParseBytes(data)
	if c.bad = !all.IsObject() || !utf8.Valid(data); c.bad {
		return nil
	}
	all.ForEach(func(name, value gjson.Result) bool {
		if field := c.field(name.Str); field != nil {
			*field = value // of equal names the last counts
		}
		return true
	})
	return nil
}

func (c *claimSet) field(name string) *gjson.Result {
	switch name {
	case "sub":
		return &c.sub
	case "user_id":
		return &c.userID
	case "session_id":
		return &c.sid
	case "exp":
		return &c.exp
	case "nbf":
		return &c.nbf
	case "iat":
		return &c.iat
	case "iss":
		return &c.iss
	case "aud":
		return &c.aud
	case "roles":
		return &c.roles
	case "permissions":
		return &c.permissions
	case "topics":
		return &c.topics
	case "jti":
		return &c.jti
	case "family":
		return &c.family
	case "auth_time":
		return &c.authTime
	case "serial":
		return &c.serial
	case "access_ttl":
		return &c.accessTTL
	default:
		return nil
	}
}

// checkTime checks exp, nbf and iat (RFC 7519 section 4.1) against now and returns exp.
func (c *claimSet) checkTime(now time.Time, leeway time.Duration) (time.Time, error) {
	exp, err := numericDate("exp", c.exp)
	switch {
	case err != nil:
		return time.Time{}, err
	case exp.IsZero():
		return time.Time{}, ErrNoExpiry
	case !now.Before(exp.Add(leeway)):
		return time.Time{}, ErrExpired
	}
	if err := notBefore("nbf", c.nbf, now.Add(leeway)); err != nil {
		return time.Time{}, err
	}
	if err := notBefore("iat", c.iat, now.Add(leeway)); err != nil {
		return time.Time{}, err
	}
	return exp, nil
}

// notBefore checks that a date, where there is one, has come by now.
func notBefore(name string, date gjson.Result, now time.Time) error {
	from, err := numericDate(name, date)
	if err == nil && now.Before(from) {
		err = ErrNotYetValid
	}
	return err
}

// checkOrigin checks iss and aud against those wanted, each unless it is empty.
func (c *claimSet) checkOrigin(issuer, audience string) error {
	if issuer != "" && (c.iss.Type != gjson.String || c.iss.Str != issuer) {
		return ErrIssuer
	}
	if audience == "" {
		return nil
	}
	// RFC 7519 section 4.1.3: an array of strings, or one string.
	found := c.aud.Type == gjson.String && c.aud.Str == audience
	if c.aud.IsArray() {
		c.aud.ForEach(func(_, one gjson.Result) bool {
			found = one.Type == gjson.String && one.Str == audience
			return !found
		})
	}
	if !found {
		return ErrAudience
	}
	return nil
}

// bearer returns the claims about the bearer; the expiry is left to the caller.
func (c *claimSet) bearer() (*Claims, error) {
	user, sid := c.sub, c.sid
	if user.Type == gjson.Null || user.Type == gjson.String && user.Str == "" {
		user = c.userID
	}
	if user.Type != gjson.String || ValidateUser(user.Str) != nil {
		return nil, ErrUser
	}
	if (sid.Type != gjson.String && sid.Type != gjson.Null) || !printable(sid.Str) {
		return nil, ErrSession
	}
	out := &Claims{User: strings.Clone(user.Str), SessionID: strings.Clone(sid.Str)}
	if err := c.identity(out); err != nil {
		return nil, err
	}
	var err error
	if out.Roles, err = stringList("roles", c.roles); err != nil {
		return nil, err
	}
	if out.Permissions, err = stringList("permissions", c.permissions); err != nil {
		return nil, err
	}
	if c.topics.Exists() {
		out.Topics = new(topic.Grants)
		if err := out.Topics.UnmarshalJSON([]byte(c.topics.Raw)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrGrants, err)
		}
		if err := out.Topics.Validate(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrGrants, err)
		}
	}
	return out, nil
}

// identity sets what tells a token apart from others of its bearer.
func (c *claimSet) identity(out *Claims) (err error) {
	if out.ID, err = name("jti", c.jti); err != nil {
		return err
	}
	if out.Family, err = name("family", c.family); err != nil {
		return err
	}
	if out.IssuedAt, err = numericDate("iat", c.iat); err != nil || out.Family == "" {
		return err
	}
	out.SignedInAt, err = numericDate("auth_time", c.authTime)
	return err
}

// name reads a claim that is a text of up to MaxUser bytes without control characters; empty when it is absent.
func name(claim string, r gjson.Result) (string, error) {
	if r.Type == gjson.Null {
		return "", nil
	}
	if r.Type != gjson.String || !printable(r.Str) {
		return "", fmt.Errorf("%w: %s is not up to %d bytes of UTF-8 without control characters", ErrMalformed, claim, MaxUser)
	}
	return strings.Clone(r.Str), nil
}

// lastDate is the last second of the year 9999: what lies beyond no clock will reach, and
// arithmetic on it may overflow.
const lastDate = 253402300799

// numericDate reads a claim of seconds since 1970 (RFC 7519 section 2), to the millisecond;
// the zero time when it is absent.
func numericDate(name string, r gjson.Result) (time.Time, error) {
	switch {
	case r.Type == gjson.Null:
		return time.Time{}, nil
	case r.Type != gjson.Number || !(r.Num >= 0 && r.Num <= lastDate):
		return time.Time{}, fmt.Errorf("%w: %s is not a date", ErrMalformed, name)
	}
	return time.UnixMilli(int64(math.Round(r.Num * 1000))), nil
}

// maxList bounds the roles of a token and its permissions: rules look through them for each message.
const maxList = 256

// stringList reads a claim that is an array of strings, nil when it is absent.
func stringList(name string, r gjson.Result) (list []string, err error) {
	if r.Type == gjson.Null {
		return nil, nil
	}
	if !r.IsArray() {
		return nil, fmt.Errorf("%w: %s is not a list of strings", ErrMalformed, name)
	}
	list = []string{}
	r.ForEach(func(_, item gjson.Result) bool {
		if item.Type != gjson.String {
			list, err = nil, fmt.Errorf("%w: %s is not a list of strings", ErrMalformed, name)
			return false
		}
		if strings.ContainsFunc(item.Str, unicode.IsControl) { // gateways join roles by line breaks
			list, err = nil, fmt.Errorf("%w: %s has an item with control characters", ErrMalformed, name)
			return false
		}
		if len(list) == maxList {
			list, err = nil, fmt.Errorf("%w: %s has more than %d items", ErrMalformed, name, maxList)
			return false
		}
		list = append(list, strings.Clone(item.Str))
		return true
	})
	return list, err
}

// The rest makes claimSet a jwt.Claims. The parser is told to leave the claims alone, so it
// calls none of these.
var _ jwt.Claims = (*claimSet)(nil)

// GetExpirationTime implements jwt.Claims.
func (c *claimSet) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }

// GetIssuedAt implements jwt.Claims.
func (c *claimSet) GetIssuedAt() (*jwt.NumericDate, error) { return nil, nil }

// GetNotBefore implements jwt.Claims.
func (c *claimSet) GetNotBefore() (*jwt.NumericDate, error) { return nil, nil }

// GetIssuer implements jwt.Claims.
func (c *claimSet) GetIssuer() (string, error) { return "", nil }

// GetSubject implements jwt.Claims.
func (c *claimSet) GetSubject() (string, error) { return "", nil }

// GetAudience implements jwt.Claims.
func (c *claimSet) GetAudience() (jwt.ClaimStrings, error) { return nil, nil }
