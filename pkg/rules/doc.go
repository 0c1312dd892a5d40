// Package rules is the routing rules of an operator: what is done to messages before anybody gets them. The owner of
// a topic, room or user applies them, before it orders and stores a message.
//
// A file has a list of rules. Each names messages by type and by patterns of topics and rooms or by target users, has
// a condition in CEL (https://cel.dev) and a list of actions:
//
//	rules:
//	  - name: mask-cards            # 1 to 32 letters, digits, - and _
//	    types: [Broadcast]          # default: those that the patterns are of; without any all three
//	    topics: ["chat.>"]          # of Broadcasts; default, as of rooms: all but the system's
//	    rooms: ["team.*"]           # of RoomMessages
//	    users: [bot]                # target users of DirectMessages, exact names or "*"; default: all
//	    when: 'payload.kind == "card" && !("admin" in roles)'
//	    on_error: reject            # or skip
//	    actions:
//	      - transform: '{"kind": "card", "text": "***"}'
//	      - set: {reviewed: 'true'}
//	      - copy: {topic: audit}    # topic, room, user; topic_expression, room_expression, user_expression
//	      - rate_limit: {rate: 10, burst: 20, per: topic}   # per topic (room, target user), or user: each sender there
//	      - reject: {code: 403, message: "no cards here"}
//	      - drop: {}
//	      - redirect: {topic: elsewhere}
//	      - stop: {}
//
// Rules are applied in the order of the file, the actions of one in theirs, each to what the one before has left.
// drop, reject, redirect, stop and a rate limit that refuses are the end. Copies are sent whatever the end is. What a
// rule redirects or copies is not examined again, so that there are no loops.
//
// Expressions have the variables type, topic, room, user (the sender), target, roles, payload and metadata. Of the
// payload only that is decoded which they look at, and what they pass on whole is copied byte by byte. Integers that
// 64 bits hold are int, other numbers double, and the two compare by value. Of a name that an object has twice, the
// last value counts.
//
// A condition with an error, such as a field that is not there, is false. When an action fails, or a condition was
// cut off, the message is rejected with code 500; with on_error: skip it goes on as if the rule had not matched.
//
// What an expression may cost is bounded: its length, the bytes of JSON that it looks at, CEL's own units of cost, and
// the size of what it makes. Time plays no part, so that a message meets the same fate everywhere.
//
// A Set is the rules of a file; a Judge, of which each lane has one, applies them; a File is read again when it
// changes. Explain tells what happens to a message rule by rule.
package rules
