// Package presence owns users and rooms: the directory of who is connected where, direct messages and the
// queue for the absent, rooms with their members and their order, and who watches whom.
//
// It is the Handler of the lanes in pkg/owner, which brings it the records of the users and rooms that it owns.
// A user's owner (users.go) knows at which gateway loops the user has connections and of which rooms it is a
// member; a room's owner (rooms.go) decides who is a member, and tells the members' owners, who tell the gateway loops.
// So every connection of a member gets what is said in the room, whoever made the user a member, and from where.
//
// What is known here is soft: gateways tell a new owner of a user its connections, rooms, and what a former owner
// deposited with them; owners of rooms and of users tell each other's successors. Only durable rooms
// (package durable) and queues (pkg/store) outlive everyone.
//
// The directory, a room and the watchers are pure: directory.go, room.go, watchers.go.
package presence
