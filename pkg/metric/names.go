package metric

// Metrics of a node's part in the cluster.
var (
	ViewVersion   = Metric{"realtime_view_version", "Low 32 bits of the version of the view of a role: nodes that show the same number agree on the view."}
	ViewNodes     = Metric{"realtime_view_nodes", "Live nodes in the view of a role, by state."}
	ViewChanges   = Metric{"realtime_view_changes_total", "Times the view of a role changed."}
	NodesDied     = Metric{"realtime_nodes_died_total", "Nodes declared dead because nothing was heard of them."}
	Suspicions    = Metric{"realtime_suspicions_total", "Times a live node came under suspicion: the NATS server found nobody where it should listen. It then dies sooner, unless it is heard."}
	BeatsReceived = Metric{"realtime_beats_received_total", "Heartbeats received, our own among them."}
	BeatsInvalid  = Metric{"realtime_beats_invalid_total", "Heartbeats ignored: not JSON, another version, or out of bounds."}
	BeatsSent     = Metric{"realtime_beats_sent_total", "Heartbeats published."}
	BeatsUnsent   = Metric{"realtime_beats_unsent_total", "Heartbeats that could not be encoded or published."}
	BeatsDropped  = Metric{"realtime_beats_dropped_total", "Heartbeats dropped because this node did not keep up with reading them."}
	Deposed       = Metric{"realtime_deposed_total", "Times this node took a new incarnation because others had, or must have, declared it dead, or a part of it had failed."}
)

// Metrics of the parts of a process that are restarted when they fail.
var (
	PartUp       = Metric{"realtime_part_up", "Whether a part of the process runs: 0 while it waits for its restart, and after its end."}
	PartRestarts = Metric{"realtime_part_restarts_total", "Times a part of the process failed and was restarted."}
)

// Metrics of what the operator's pages tell of a process.
var (
	BuildInfo        = Metric{"realtime_build_info", "Always 1, with the version of the program as a label."}
	Ready            = Metric{"realtime_ready", "What /readyz says: 1 ready, 0 not."}
	ComponentHealthy = Metric{"realtime_component_healthy", "Whether a component of /health is healthy: 1, or 0."}
)

// Metrics of the NATS connections of a process.
var (
	NATSConnected   = Metric{"realtime_nats_connected", "NATS connections that are up."}
	NATSReconnects  = Metric{"realtime_nats_reconnects_total", "Times a NATS connection came back."}
	NATSErrors      = Metric{"realtime_nats_errors_total", "Errors of NATS connections, by kind: lost connections, slow consumers, refusals."}
	NATSMessagesIn  = Metric{"realtime_nats_in_messages_total", "Messages received from NATS."}
	NATSMessagesOut = Metric{"realtime_nats_out_messages_total", "Messages sent to NATS."}
	NATSBytesIn     = Metric{"realtime_nats_in_bytes_total", "Payload bytes received from NATS."}
	NATSBytesOut    = Metric{"realtime_nats_out_bytes_total", "Payload bytes sent to NATS."}
)

// Metrics of owners: routers and presence nodes.
var (
	OwnerBatchesIn     = Metric{"realtime_owner_batches_received_total", "Batches taken from gateways and other owners."}
	OwnerBatchesOut    = Metric{"realtime_owner_batches_sent_total", "Batches sent to gateways and other owners, without repeats."}
	OwnerBatchBytes    = Metric{"realtime_owner_batch_bytes_sent_total", "Bytes of the batches sent."}
	OwnerRecordsOut    = Metric{"realtime_owner_records_sent_total", "Records in the batches sent; divided by the batches, their size."}
	OwnerBatchesResent = Metric{"realtime_owner_batches_resent_total", "Batches sent again because no acknowledgement came."}
	OwnerDropped       = Metric{"realtime_owner_dropped_total", "Batches and records dropped, by reason."}
	OwnerForwarded     = Metric{"realtime_owner_forwarded_total", "Records passed on to their owner by a node that was not, or no longer, it."}
	OwnerHeld          = Metric{"realtime_owner_held_total", "Records kept waiting for a view change to settle."}
	OwnerRefused       = Metric{"realtime_owner_refused_total", "Records answered with Error 503: no owner, or the wait was too long."}
	OwnerHoldTimeouts  = Metric{"realtime_owner_hold_timeouts_total", "View changes that were opened by time, not because everyone had followed."}
	OwnerPanics        = Metric{"realtime_owner_panics_total", "Panics while dealing with a record, or with what was read or written for one."}
	OwnerHoldSeconds   = Metric{"realtime_owner_hold_seconds", "How long moved keys waited for a view change to settle, in seconds."}
)

// Metrics of routers.
var (
	RouterPublished = Metric{"realtime_router_published_total", "Broadcasts ordered and sent on."}
	RouterDelivers  = Metric{"realtime_router_delivers_total", "Deliver records sent: one for each Broadcast and gateway with a subscriber."}
	RouterUnheard   = Metric{"realtime_router_unheard_total", "Broadcasts to topics that nobody is subscribed to."}
	RouterOverload  = Metric{"realtime_router_overload_total", "Reads of histories that failed because too many waited."}
	RouterTopics    = Metric{"realtime_router_topics", "Topics and patterns that a gateway has told an interest in."}

	PresenceUsers        = Metric{"realtime_presence_users", "Users of whom something is known: connected, watched, members of rooms, or just gone."}
	PresenceConnections  = Metric{"realtime_presence_connections", "Connections of the users in the directory."}
	PresenceRooms        = Metric{"realtime_presence_rooms", "Rooms that are open."}
	PresenceDelivers     = Metric{"realtime_presence_delivers_total", "Deliver records sent: one for each message or change and gateway concerned."}
	PresenceDirect       = Metric{"realtime_presence_direct_total", "Direct messages sent to the connections of users who are there."}
	PresenceQueued       = Metric{"realtime_presence_queued_total", "Direct messages put into the queues of users who are away."}
	PresenceFlushed      = Metric{"realtime_presence_flushed_total", "Queued direct messages that their user has received."}
	PresenceRedirected   = Metric{"realtime_presence_redirected_total", "Direct messages that went to a gateway which died, and were sent on to wherever the user was by then."}
	PresenceRoomMessages = Metric{"realtime_presence_room_messages_total", "Messages in rooms ordered and sent on."}
	PresenceChanges      = Metric{"realtime_presence_changes_total", "Changes of users that were told to those who watch them."}
	PresenceResyncs      = Metric{"realtime_presence_resyncs_total", "Times a gateway was asked to tell everything again, as its digest differed."}
	PresenceDropped      = Metric{"realtime_presence_dropped_total", "What was dropped or refused because a queue was full, by reason."}
	PresenceDurableCalls = Metric{"realtime_presence_durable_calls_total", "Calls to JetStream for durable rooms, by call and outcome."}
)

// Metrics of gateways.
var (
	GatewayConnections     = Metric{"realtime_gateway_connections", "Open WebSocket connections."}
	GatewayMaxConnections  = Metric{"realtime_gateway_max_connections", "MAX_CONNECTIONS: how many WebSocket connections this gateway takes."}
	GatewayDraining        = Metric{"realtime_gateway_draining", "Whether the gateway drains: 1 from SIGTERM to the end of its process."}
	GatewayAccepted        = Metric{"realtime_gateway_accepted_total", "TCP connections accepted, HTTP ones included."}
	GatewayAcceptErrors    = Metric{"realtime_gateway_accept_errors_total", "Accepts that failed, or were closed at once for want of room."}
	GatewayEnded           = Metric{"realtime_gateway_ended_total", "TCP connections that ended or left the event loops, by reason."}
	GatewayHandshakes      = Metric{"realtime_gateway_handshakes_total", "WebSocket handshakes, by the HTTP status that answered them and the reason."}
	APIRequests            = Metric{"realtime_api_requests_total", "HTTP requests to refresh and revoke tokens and to disconnect users, by page and status."}
	GatewayRenewals        = Metric{"realtime_gateway_renewals_total", "Tokens that clients sent to take the place of those of their connections, by outcome."}
	GatewayUnchecked       = Metric{"realtime_gateway_unchecked_total", "Connections let in without a look at how many their user has, because the user's owner did not answer."}
	GatewayFramesIn        = Metric{"realtime_gateway_frames_received_total", "WebSocket frames from clients."}
	GatewayFramesOut       = Metric{"realtime_gateway_frames_sent_total", "WebSocket frames to clients."}
	GatewayBytesIn         = Metric{"realtime_gateway_bytes_received_total", "Bytes from clients."}
	GatewayBytesOut        = Metric{"realtime_gateway_bytes_sent_total", "Bytes to clients."}
	GatewayWrites          = Metric{"realtime_gateway_writes_total", "Write system calls to clients; frames sent divided by them is what batching saves."}
	GatewayBatchesIn       = Metric{"realtime_gateway_down_batches_total", "Batches from owners."}
	GatewayBatchesOut      = Metric{"realtime_gateway_up_batches_total", "Batches to owners, without repeats."}
	GatewayBatchBytes      = Metric{"realtime_gateway_up_batch_bytes_total", "Bytes of the batches to owners."}
	GatewayRecordsOut      = Metric{"realtime_gateway_up_records_total", "Records in the batches to owners; divided by the batches, their size."}
	GatewayBatchesResent   = Metric{"realtime_gateway_up_batches_resent_total", "Batches sent again because no acknowledgement came."}
	GatewayDropped         = Metric{"realtime_gateway_dropped_total", "Messages, batches and records dropped, by reason."}
	GatewayPanics          = Metric{"realtime_gateway_panics_total", "Panics while handling a connection, a handshake or a record: each ended that."}
	GatewaySubscriptions   = Metric{"realtime_gateway_subscriptions", "Subscriptions of the open connections."}
	GatewayResyncs         = Metric{"realtime_gateway_resyncs_total", "Times an owner of users asked to be told everything again, as its digest differed."}
	GatewayOutboxBytes     = Metric{"realtime_gateway_outbox_bytes", "Bytes that wait because their client does not read."}
	GatewayGlobalDemand    = Metric{"realtime_gateway_global_demand", "Messages a second that would be held against the limit of the cluster here."}
	GatewayGlobalShare     = Metric{"realtime_gateway_global_share", "This gateway's part of the limit of the cluster, in messages a second."}
	GatewayTurnSeconds     = Metric{"realtime_gateway_turn_seconds", "How long a turn of an event loop took, in seconds."}
	GatewayDeliverySeconds = Metric{"realtime_gateway_delivery_seconds", "From reading a Broadcast at its sender's gateway to writing it to subscribers, in seconds; across hosts it contains their clocks' difference."}
)

// Metrics of the connection to Redis, and of what is kept there.
var (
	BreakerState   = Metric{"realtime_breaker_state", "State of the circuit breaker before a dependency: 0 closed, all is well; 1 half-open, one call tries; 2 open, no call is made."}
	BreakerChanges = Metric{"realtime_breaker_changes_total", "Times a circuit breaker came into a state."}
	RedisErrors    = Metric{"realtime_redis_errors_total", "Calls to Redis that failed, by kind: connection, timeout, an error as the reply, refused by the open circuit breaker."}
	QueueAppended  = Metric{"realtime_queue_appended_total", "Direct messages queued for absent users."}
	QueueRepeated  = Metric{"realtime_queue_repeated_total", "Direct messages not queued again, because the same one of the same sender waits already."}
	QueueRefused   = Metric{"realtime_queue_refused_total", "Direct messages refused because the user's queue is full, by the bound that was met: count, bytes."}
	QueueExpired   = Metric{"realtime_queue_expired_total", "Direct messages that waited longer than QUEUE_TTL and were dropped; those that expire with their whole queue are not seen."}
	QueueRemoved   = Metric{"realtime_queue_removed_total", "Direct messages that left a queue because they were sent."}
	SeenPending    = Metric{"realtime_seen_pending", "Users whose last seen time waits to be written."}
	SeenWritten    = Metric{"realtime_seen_written_total", "Last seen times written."}
	SeenDropped    = Metric{"realtime_seen_dropped_total", "Last seen times dropped, by reason: full, too many wait; refused, the key is of another kind; stopped, Redis was away when this process ended."}

	SessionsPending = Metric{"realtime_sessions_pending", "Notes of sessions that wait to be written."}
	SessionsWritten = Metric{"realtime_sessions_written_total", "States of sessions written."}
	SessionsTouched = Metric{"realtime_sessions_touched_total", "Sessions kept alive without a new state."}
	SessionsTaken   = Metric{"realtime_sessions_taken_total", "Sessions that a connection asked to resume, by outcome: taken; none, there was no such session."}
	SessionsLost    = Metric{"realtime_sessions_lost_total", "Notes of connections whose session another one has taken."}
	SessionsDropped = Metric{"realtime_sessions_dropped_total", "Notes of sessions dropped, by reason: full, too many wait; refused, no valid session or a key of another kind; stopped, Redis was away when this process ended."}
)

// Metrics of tokens.
var (
	TokenRefreshes = Metric{"realtime_token_refreshes_total", "Refresh tokens that clients gave, by outcome: refreshed; refused, not valid; reused, its family was revoked; unavailable, Redis away."}
	TokenFamilies  = Metric{"realtime_token_families_total", "Uses of refresh tokens in Redis, by what became of them: used; reused, it was not the newest of its family; revoked, its family was; unknown, Redis has no record of its family."}
	TokenKeys      = Metric{"realtime_token_keys_fetched_total", "Times the keys of JWT_JWKS_URL were fetched, by outcome."}

	Revocations        = Metric{"realtime_revocations", "Revocations that this process knows and that are in force."}
	RevocationsSeen    = Metric{"realtime_revocations_seen_total", "Revocations newly seen, by kind."}
	RevocationsLoaded  = Metric{"realtime_revocations_loads_total", "Times all revocations were read: at the start, and when Redis had lost some."}
	RevocationsRetold  = Metric{"realtime_revocations_retold_total", "Revocations that Redis had lost and this process wrote again."}
	RevocationsDropped = Metric{"realtime_revocations_dropped_total", "Revocations refused or not taken in because there were too many."}
)

// Metrics of what a gateway does so that topics and rooms with history come whole.
var (
	GatewayResumes   = Metric{"realtime_gateway_resumes_total", "Sessions that clients asked to resume, by outcome: resumed; not known; Redis away; busy, as too many were being taken; failed, as an owner of a topic or room was away."}
	GatewayGaps      = Metric{"realtime_gateway_gaps_total", "Messages that came before an earlier one: that was fetched first."}
	GatewayTails     = Metric{"realtime_gateway_tails_total", "Times a new owner knew of messages that the former one had stored and not delivered."}
	GatewayRepeats   = Metric{"realtime_gateway_repeats_total", "Messages dropped because they had come before."}
	GatewayHoles     = Metric{"realtime_gateway_holes_total", "Times a client was told that messages are lost to it."}
	GatewayFetches   = Metric{"realtime_gateway_fetches_total", "Pages of histories that were asked for."}
	GatewayRecovered = Metric{"realtime_gateway_recovered_pages_total", "Pages sent to clients that recover; those who recover at once share them."}
)

// Metrics of the histories that a router or a presence node owns.
var (
	HistoryStored     = Metric{"realtime_history_stored_total", "Publications stored, and then delivered."}
	HistoryForeign    = Metric{"realtime_history_foreign_total", "Publications that another owner had stored, or that turned out to be stored after an unknown outcome under another name."}
	HistoryDuplicates = Metric{"realtime_history_duplicates_total", "Publications acked as duplicates: the same user had sent one of that id within DEDUPE_WINDOW."}
	HistoryFailed     = Metric{"realtime_history_failed_total", "What did not go as usual, by reason: publications refused; refused as too much waited; writes that met another owner's; writes of unknown outcome; positions that were not looked up."}
	HistoryBytes      = Metric{"realtime_history_written_bytes_total", "Bytes of the entries written."}
	HistorySeconds    = Metric{"realtime_history_write_seconds", "Time from writing an entry to its acknowledgement by the replicas, in seconds."}
	HistoryLoads      = Metric{"realtime_history_loads_total", "Times the end of a history was read: by a new owner, or after a write of unknown outcome."}
	HistoryReads      = Metric{"realtime_history_reads_total", "Pages of histories, by where they were read from: memory or the store."}
	HistoryRecoveries = Metric{"realtime_history_recoveries_total", "Recoveries asked for, by whether they could be whole."}
	HistoryForgotten  = Metric{"realtime_history_forgotten_total", "Histories whose recent messages were given up because HISTORY_MEMORY was full."}
	HistoryLogs       = Metric{"realtime_history_logs", "Histories that are open."}
	HistoryMemory     = Metric{"realtime_history_memory_bytes", "Bytes of recent messages kept in memory."}
)

// Metrics of routing rules.
var (
	RulesOutcomes            = Metric{"realtime_rules_outcomes_total", "Messages whose condition a rule found true, by what it did: passed, they went on to the next; dropped, rejected, limited, redirected, stopped; failed, it could not be applied. And condition_error: its condition had an error and counted as false."}
	RulesEvicted             = Metric{"realtime_rules_limits_evicted_total", "Keys of rate limits that were forgotten before their time because there were too many: they began anew."}
	RulesLoaded              = Metric{"realtime_rules_loaded", "Rules in force."}
	SettingsReloadSuccessful = Metric{"realtime_settings_last_reload_successful", "Whether the settings file was good when it was read last: 1, or 0 while older settings stay in force."}
	SettingsReloadTime       = Metric{"realtime_settings_last_reload_success_timestamp_seconds", "When the settings in force were read, in Unix seconds."}
	SettingsReloadFailures   = Metric{"realtime_settings_reload_failures_total", "Times a changed settings file was not used because it was bad or gone."}

	RulesReloadSuccessful = Metric{"realtime_rules_config_last_reload_successful", "Whether the file of rules was good when it was read last: 1, or 0 while older rules stay in force."}
	RulesReloadTime       = Metric{"realtime_rules_config_last_reload_success_timestamp_seconds", "When the rules in force were read, in Unix seconds."}
	RulesReloadFailures   = Metric{"realtime_rules_config_reload_failures_total", "Times a changed file of rules was not used because it was bad or gone."}
)
