// Package ops is what every role serves by HTTP for its operator: /health, /livez, /readyz,
// /metrics and /info. docs/PROTOCOL.md, section 9, is the contract.
package ops
