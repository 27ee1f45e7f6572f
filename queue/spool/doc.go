// Package spool is the embedded [queue.Store]: an append-only log in one directory, with an index in memory.
//
// A commit appends one frame to the newest segment. One goroutine at a time is the writer; while it waits for a sync the
// next batches gather, and then share one write and one sync. There is no timer: a lone caller pays for one sync, and is
// the writer itself. The index holds of each message only where its records are, and of each recipient the destination,
// when it is due and whether it is done; envelopes, outcomes and texts are read from disk when they are asked for. The
// index changes when the sync is done, never before, and by records alone: a commit, a start that reads segments and one
// that reads hints do the same to it (apply.go). Claims live in memory: after a start every job is free.
//
// A goroutine of its own (tidy) gives space back: it unlinks segments that nobody needs, and copies the rest out of those that
// are nearly dead, at a bounded rate. It asks the writer for every change.
//
// # Files
//
// The directory belongs to the process's user and has mode 0700, the files 0600.
//
//	lock                 locked (flock) by the process that uses the directory; holds its number
//	SEQ.segment          one segment; SEQ is 16 hexadecimal digits that rise
//	SEQ.hint             what the index takes from that segment: a start reads this instead. May be removed
//	NUMBER.text          the text of one large message, as it was handed in; its envelope is in a segment
//	spare                space for the next segment, taken in advance
//	SEQ.segment.damaged  a segment with damage that holds no message of the queue any more; for a person to look at
//	NUMBER.text.damaged  a large text found without a message while there was damage; likewise
//
// To save mail by hand: each text stands as it was handed in, lines ended by CR LF, behind the envelope of its message,
// where strings(1) shows sender and recipients. `tlsrelay queue check` says what is damaged and where.
//
// # Format
//
// Numbers of fixed size are little-endian, others are varints as in encoding/binary; checksums are CRC-32C. A segment
// is a header of 64 bytes, then frames without gaps:
//
//	 0  "TLRSPOOL"                  32  number of the segment before this one, 0: none (4)
//	 8  version (4): 2              36  1 if that one was found by a start, else 0 (1), zero (3)
//	12  zero (4)                    40  where that one ends (8); 64 if there is none: all before
//	                                    this one held nothing
//	16  number of this segment (4)  48  zero (12)
//	20  zero (4)                    60  checksum of bytes 0 to 59 (4)
//	24  marker (8)
//
// A frame is one batch. Its head has 16 bytes; then come its records, each ACCEPT followed by its text unless that has a
// file of its own:
//
//	 0  marker of the segment
//	 8  number of bytes behind the head (4)
//	12  checksum of bytes 0 to 11 (4)
//
// The marker is drawn by chance for each segment, so that no message text can look like a frame. A record has a head of 8
// bytes, the checksum of all that follows and then its kind (upper 4 bits) and the length of its payload (lower 28):
//
//	1 ACCEPT  length of the text, its checksum (4), number of its file or 0, item; replaces an earlier one with the same ID
//	2 STATE   ID (8), count, then for each: index of the recipient, its state
//	3 DONE    ID (8), count, segments: no recipient is left
//	4 DELETE  ID (8), count, segments: by the operator
//
// Item and state are in codec.go and evidence.go; strings stand in them as they are.
//
// # Rules
//
//   - A segment is made, synced and its name synced before a frame goes into it. A start never writes to an old one.
//   - A process that ends in order makes one more segment, whose header says where the last one ended. Without that the newest is
//     unsure: after a failed sync all can read what it should have written, and no later sync takes that to the disk, not even if it
//     is written there again (Linux, ext4). A start copies what is needed of it before anything else goes, and the header that comes
//     after it says that it was found so, until it is gone.
//   - Behind the frames of the newest segment zeros are written ahead, because bytes that were written before are synced in
//     half the time. Zeros up to the end of the file are nothing, unless the next header says that the segment ends behind
//     them: then they are damage. The file is cut off at its end when the writer leaves it.
//   - After a failed write or sync a process never writes or syncs that file again. The next segment's header says where the
//     failed one ends, so that the failed batch, which may be whole on disk, does not count. What is needed of the failed
//     one is copied soon, and the segment with that header does not go before it.
//   - A header passes over segments between the one that it follows and its own: they hold nothing that counts, and go
//     before it does. Where the one that followed a segment is gone, that segment ends with its file.
//   - A large text is synced, and its name, before the ACCEPT that names it. It is removed when the DONE is durable; that of a
//     failed ACCEPT, when the header is that says so.
//   - A frame counts as a whole or not at all. One that does not check, with good ones behind it or in a segment whose
//     end is known, is damage: a warning with file and offset, and left out. At the end of a segment whose end is not
//     known it was never acknowledged, and is left out without alarm.
//   - Of a message whose STATE turns out damaged the index keeps what it knows; one whose ACCEPT does is out of the queue,
//     and its text of its own is set aside. One with a damaged text stays until its sender has been told.
//   - Copying writes a message whole: text, envelope and present state in one new ACCEPT, which makes all its earlier
//     records outdated. The writer leaves it out if the message changed since it was read.
//   - A segment is unlinked when no message has its latest ACCEPT or STATE there, and the directory is synced before the
//     next one goes. A DONE or DELETE names the other segments that may hold an ACCEPT of its message: that of the latest
//     one, and older ones from which messages were copied or in which something could not be read. While any of them is
//     there the record is needed, and is copied like a message.
//     So whatever order segments go in, no ended message comes back.
//   - A segment that cannot be opened, or whose header the disk cannot read, is warned of and stays where it is, and with
//     it all others until the next start. Another version in a header stops the start.
//   - A hint is never synced and never trusted without its checksum, and only if it ends where the next header says, unless
//     the segment with that header is gone. The newest segment has none, nor has one that is unsure.
//   - New mail is refused while the file system has less than the configured space, or none for the spare. Results of
//     deliveries then go on in the rest of the active segment and in the spare, and after that in what little there is.
//     Copying leaves them a part of that.
//
// # Crash states
//
// Where the process dies or the power goes, what may be on disk, and what the next start does with it:
//
//	where                               on disk                             the next start
//	---------------------------------   ---------------------------------   ------------------------------------------
//	before the frame is written         nothing of the batch                batch not there; no caller was answered
//	frame written, not synced           nothing, all, or any part of it     whole: batch there; else cut off and left out
//	frames written, zeros behind them   the same, with zeros behind         the same, and the zeros are cut off
//	frame synced, callers not answered  the frame                           batch there: the client that heard
//	                                                                        nothing sends again, a duplicate
//	callers answered                    the frame                           batch there
//	large text written, no ACCEPT yet   the text or a part of it            removed
//	message done, its large text not    the text                            removed
//	yet removed
//	new segment made or spare renamed,  no file, or part of a header        removed; a higher number is used
//	not yet synced
//	new segment synced, no frame yet    its header                          the segment before it ends where it says;
//	                                                                        the empty one is removed
//	write or sync failed, next segment  the failed frame, in any state      a whole one counts although its caller was
//	not yet synced                                                          told of a failure (see below), and is copied
//	next segment synced                 the failed frame, in any state      left out
//	a start copies what it found        that and a part of the copies       copied again
//	stopped in order                    a header alone in a segment         the one before is whole; the empty one is removed
//	survivors of a segment copied, it   old and new ACCEPT of a message     the later one counts; the segment goes on
//	is not yet unlinked                                                     being copied, and goes
//	segment unlinked, directory not     the segment or not                  read again, all in it outdated or ended by
//	synced                                                                  records that are still there; or gone
//	hint written in part                a hint that does not check          the segment is read, and the hint made anew
//	segment unlinked, its hint not      a hint alone                        removed
//	spare made                          the spare                           removed, and made anew
//	delivery under way                  the job as it was before            tried again
//
// A refused batch can come back only in that one row; after two failures in a row it holds for both. Then an ACCEPT
// answered with 451 is delivered although the client sends it again: a duplicate. A refused DONE or STATE that does not
// come back has a delivery repeated. Neither loses mail.
package spool
