package auth

import "errors"

// What is wrong with a token, in words for the client. An error of Verify is one of these or
// wraps one with the name of the claim at fault; none holds any of the token's text beyond
// the name or pattern it complains of.
var (
	ErrTooLong     = errors.New("token is longer than 8192 bytes")
	ErrMalformed   = errors.New("token is malformed")
	ErrAlgorithm   = errors.New("token algorithm is not accepted")
	ErrSignature   = errors.New("token signature is not valid")
	ErrUnknownKey  = errors.New("token is signed with an unknown key")
	ErrNoExpiry    = errors.New("token has no expiry")
	ErrExpired     = errors.New("token is expired")
	ErrNotYetValid = errors.New("token is not valid yet")
	ErrIssuer      = errors.New("token issuer is not accepted")
	ErrAudience    = errors.New("token audience is not accepted")
	ErrUser        = errors.New("token has no valid user: 1 to 128 bytes of UTF-8 without control characters")
	ErrSession     = errors.New("token has no valid session: up to 128 bytes of UTF-8 without control characters")
	ErrGrants      = errors.New("token has bad topics")

	// ErrKeysAway says nothing about the token: the key server has not been reached since the
	// start, so the client does well to come back later with the same one.
	ErrKeysAway = errors.New("token cannot be checked now, its keys are away")
)

// What is wrong with a refresh token besides, in words for the client.
var (
	ErrRefreshUsed = errors.New("refresh token is not the newest of its family: sign in again")

	// ErrFamiliesAway says nothing about the token: what was used cannot be known now.
	ErrFamiliesAway = errors.New("tokens cannot be refreshed now")
)
