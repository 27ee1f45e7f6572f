// Package spool is the embedded [queue.Store]: an append-only log in one directory, with an index in memory.
//
// A commit appends one frame to the newest segment. One goroutine writes; while it waits for a sync, the next batches
// gather, and then share one write and one sync. There is no timer: a lone caller pays for one sync. The index holds
// each message's envelope and state in encoded form, and of its text only the place: segment, offset, length, checksum.
// It changes when the sync is done, never before. Claims live in memory alone: after a start every job is free.
//
// # Files
//
// The directory belongs to the process's user and has mode 0700, the files 0600.
//
//	lock                 locked (flock) by the process that uses the directory; holds its number
//	SEQ.segment          one segment; SEQ is 16 hexadecimal digits that rise
//	SEQ.segment.damaged  a segment with damage that holds no message of the queue any more; for a person to look at
//
// # Format
//
// Numbers of fixed size are little-endian, others are varints as in encoding/binary; checksums are CRC-32C. A segment
// is a header of 64 bytes, then frames without gaps:
//
//	 0  "TLRSPOOL"                  32  number of the segment before this one, 0: none
//	 8  version (4 bytes): 1        40  where that one ends
//	12  zero (4)                    48  zero (12)
//	16  number of this segment (8)  60  checksum of bytes 0 to 59 (4)
//	24  marker (8)
//
// A frame is one batch. Its head has 28 bytes; then come its records, then the texts of its ACCEPT records in order, as
// they were handed in:
//
//	 0  marker of the segment       16  checksum of the records (4)
//	 8  length of the records (4)   20  zero (4)
//	12  length of the texts (4)     24  checksum of bytes 0 to 23 (4)
//
// The marker is drawn by chance for each segment, so that no message text can look like a frame. Records:
//
//	1 ACCEPT  length of the text, its checksum (4), length of the item, item; replaces an earlier one with the same ID
//	2 STATE   ID (8), count, then for each: index of the recipient, length, recipient
//	3 DONE    ID (8): no recipient is left
//	4 DELETE  ID (8): by the operator
//
// Item and recipient are in codec.go; strings stand in them as they are, so that strings(1) shows envelopes and texts.
//
// # Rules
//
//   - A segment is made, synced and its name synced before a frame goes into it. A start never writes to an old one.
//   - After a failed write or sync a segment is never written or synced again. The next one's header says where it
//     ends, so that the failed batch, which may be whole on disk, does not count.
//   - Only the oldest segment is ever unlinked, when no message of the queue has its text there, and the directory is
//     synced before the next one goes. A STATE, DONE or DELETE stands behind its ACCEPT, in the same segment or a later
//     one, and so never vanishes before it. The price: one old message holds all segments from its own on.
//   - A frame counts as a whole or not at all. One that does not check, with good ones behind it or in a segment whose
//     end is known, is damage: a warning with file and offset, and left out. At the end of a segment whose end is not
//     known it was never acknowledged, and is left out without alarm.
//   - A segment that cannot be opened, or whose header the disk cannot read, is warned of and stays where it is, and
//     with it all later ones. A newer version in a header stops the start.
//
// # Crash states
//
// Where the process dies or the power goes, what may be on disk, and what the next start does with it:
//
//	where                               on disk                             the next start
//	---------------------------------   ---------------------------------   ------------------------------------------
//	before the frame is written         nothing of the batch                batch not there; no caller was answered
//	frame written, not synced           nothing, all, or any part of it     whole: batch there; else cut off and left out
//	frame synced, callers not answered  the frame                           batch there: the client that heard
//	                                                                        nothing sends again, a duplicate
//	callers answered                    the frame                           batch there
//	new segment made, not yet synced    no file, or part of a header        removed; a higher number is used
//	new segment synced, no frame yet    its header                          the segment before it ends where it says;
//	                                                                        the empty one is removed
//	write or sync failed, next segment  the failed frame, in any state      a whole one counts although its caller was
//	not yet synced                                                          told of a failure (see below)
//	next segment synced                 the failed frame, in any state      left out
//	oldest segment unlinked, directory  the segment or not                  read again, or gone: all in it is ended by
//	not synced                                                              records that are still there
//	delivery under way                  the job as it was before            tried again
//
// A refused batch can come back only in that one row; after two failures in a row it holds for both. Then an ACCEPT
// answered with 451 is delivered although the client sends it again: a duplicate. A refused DONE or STATE that does not
// come back has a delivery repeated. Neither loses mail.
package spool
