// Package router owns topics: it keeps which gateways have subscribers of what, gives
// the Broadcasts to a topic their one order, and sends each gateway concerned one record.
//
// The package is the Handler of the lanes in pkg/owner, which brings it the records of the
// topics that it owns. Patterns are told to every lane of every router.
package router
