// Package web knows of a request, before anything is known of its user, whether its page may talk to the service, and
// from which address it comes. It does no I/O.
package web
