#!/usr/bin/env python3
"""Changes one line of the engine at a time and looks whether a test notices.

    Scripts/mutate.py [--only N[,N...]] [--list]

Each mutation is a text that stands in one file exactly once, and what is put in its place. It is made in a copy that
holds the engine and its tests alone, in .build-mutations. The fast tests are asked first, then all of the engine's. A run
that takes five times as long as one without mutation is ended and counts as noticed: a loop that does not end. The last
line is the share that was noticed; below 85 % the status is 1.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
COPY = ".build-mutations"

# What is asked first, and what is asked when that noticed nothing.
STAGES = [
    "SealingTests|FormatRuleTests|ProofTests|FilePoolTests|WorkingDirectoryTests|DeletionAndDocumentTests|CommitLimitTests|ReplayTests|"
    "InvariantTests|ReadingDamageTests|SegmentStoreTests|VerifyTests|RunTests|oneFlushACommit|aFailedFlushPoisons|RandomLifeTests|SmallScopeTests|TornSectorTests|olderCopies|FingerprintTests",
    "InterruptedOpenTests|TornTailTests|DamageTests|CrashPointTests|FaultTests|FollowerTests|GroupCommitTests|GoldenStoreTests|ExpectedHeadTests",
    "SealingTests|SegmentStorageTests",
]

MANIFEST = """// swift-tools-version: 6.2
import PackageDescription
let style: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]
let package = Package(
  name: "mutations", platforms: [.macOS(.v15)],
  targets: [
    .systemLibrary(name: "CLZ4", pkgConfig: "liblz4"),
    .systemLibrary(name: "CLibcrypto", pkgConfig: "libcrypto"),
    .target(name: "CPlatform"),
    .target(name: "Sealing", dependencies: ["CLZ4", "CLibcrypto", "CPlatform"], swiftSettings: style),
    .target(name: "SegmentStorage", dependencies: ["Sealing", "CPlatform"], swiftSettings: style),
    .target(
      name: "StorageTestSupport", dependencies: ["SegmentStorage", "Sealing"], path: "Tests/StorageTestSupport",
      swiftSettings: style),
    .testTarget(name: "SealingTests", dependencies: ["Sealing"], swiftSettings: style),
    .testTarget(
      name: "SegmentStorageTests", dependencies: ["SegmentStorage", "Sealing", "StorageTestSupport"],
      swiftSettings: style),
  ],
  swiftLanguageModes: [.v6])
"""

E = "Sources/SegmentStorage/"
S = "Sources/Sealing/State/"

# (file, text, replacement)
MUTATIONS = [
    # States.
    (S + "StateWriter.swift", "plain.count - max(1, (plain.count + 15) / 16)", "plain.count + 64"),
    (S + "StateWriter.swift", "prefix.dictionary = dictionary?.number ?? 0", "prefix.dictionary = 1"),
    (S + "StateWriter.swift", "epochs.isCurrent(generation: generation, expiry: expiry)", "expiry > 0"),
    (S + "StateReader.swift", "if epoch != prefix.epoch {", "if epoch == 0 {"),
    (S + "StateReader.swift", "guard prefix.isSealed else", "guard prefix.isSealed || sealed.count > 0 else"),
    (S + "StateReader.swift", "length >= 0, !prefix.isLong || length == room", "length >= 0"),
    (S + "StateReader.swift", "value <= UInt64(StateCodec.maximumTopicLength),\n", "value <= UInt64.max,\n"),
    (S + "StatePrefix.swift", "key <= 1 else", "key <= 2 else"),
    (S + "StatePrefix.swift", "byte == 0 && shift > 0 ? nil : value", "value"),
    (S + "StatePrefix.swift", "value > 0, let number", "let number"),
    # The frame and its place.
    (E + "Format/FrameHeader.swift", "count: 36)) == headerCRC else", "count: 36)) == headerCRC || true else"),
    (E + "Format/FrameHeader.swift", "frameLength <= Format.maximumFrameSize, prefixLength", "prefixLength"),
    (E + "Log/FrameWalker.swift", "header.sequence == nextSequence else", "header.sequence > 0 else"),
    (E + "Log/FrameWalker.swift", "header.previousCRC == previousCRC else", "header.previousCRC == header.previousCRC else"),
    (E + "Log/FrameWalker.swift", "count: length)) == stored else", "count: length)) == stored || true else"),
    (E + "Log/FrameWalker.swift", "bytes[total...].allSatisfy({ $0 == 0 })", "bytes[total...].allSatisfy({ _ in true })"),
    (E + "Log/FrameWalker.swift", "nextSequence = frame.header.sequence + 1\n    offset", "offset"),
    (E + "Log/FrameWalker.swift", "guard CRC32C.checksum(body) == header.bodyCRC else", "guard CRC32C.checksum(body) == header.bodyCRC || suite == .plain else"),
    # Commits.
    (E + "Format/CommitMetadata.swift", "metadata.records[index].notificationID == heads[partition] &+ 1", "metadata.records[index].notificationID > heads[partition]"),
    (E + "Format/CommitMetadata.swift", "$0.notificationID > tracking[$0.key] ?? 0", "$0.notificationID > 0 - 1 * (tracking[$0.key] ?? 0)"),
    (E + "Format/CommitMetadata.swift", "eventCount &-= eventCount > 0 ? 1 : 0", "eventCount &-= 0"),
    (E + "Format/CommitMetadata.swift", "return reader.isAtEnd && records.count == recordCount", "return records.count == recordCount"),
    (E + "Format/LogState.swift", "deleted[partition]?.insert(id, at: index)", "deleted[partition]?.append(id)"),
    (E + "Format/HeadFile.swift", "mark.turn > newest?.turn ?? 0", "mark.turn < newest?.turn ?? .max"),
    (E + "Format/SegmentHeader.swift", "guard required == 0 else", "guard required >= 0 else"),
    (E + "Format/SegmentHeader.swift", "guard major == Format.majorVersion else", "guard major >= Format.majorVersion else"),
    # Replay.
    (E + "Log/LogReplayer.swift", "if frame.header.flags.contains(.becomesCurrent) { info.currentEpoch = description.number }", "info.currentEpoch = description.number"),
    (E + "Log/LogReplayer.swift", "syncedUpTo = max(syncedUpTo, Int(frame.header.syncedUpTo))", "syncedUpTo = 0"),
    (E + "Log/LogReplayer.swift", "guard info.state.accepts(metadata, heads: &heads) else", "guard info.state.accepts(metadata, heads: &heads) || true else"),
    # Recovery.
    (E + "Recovery/TailRecovery.swift", "if let headEnd, headEnd > end {", "if let headEnd, headEnd > end + 4096 {"),
    (E + "Format/FrameHeader.swift", "Int(syncedUpTo) > place &&", "Int(syncedUpTo) > place + (1 << 30) &&"),
    (E + "Format/FrameHeader.swift", "Int(syncedUpTo) > place &&", "Int(syncedUpTo) > 0 &&"),
    (E + "Recovery/TailRecovery.swift", "cut.quarantine = try quarantine(segment, from: end, to: lastUsed)", "cut.quarantine = nil"),
    (E + "Recovery/TailRecovery.swift", "try segment.file.truncate(to: UInt64(end))\n", ""),
    (E + "Recovery/TailRecovery.swift", "if let proof = try findProof(from: end, sequence: sequence, to: fileSize, of: segment) {", "if let proof = try findProof(from: end, sequence: sequence, to: fileSize, of: segment), proof < 0 {"),
    (E + "Recovery/TailRecovery.swift", "try rewrite(from: max(proven, Format.pageSize), to: end, of: active)", ""),
    (E + "Recovery/TailRecovery.swift", "guard info.end == head.end, info.lastTag == head.tag, info.nextSequence == head.nextSequence else", "guard info.end == head.end else"),
    (E + "Recovery/TailRecovery.swift", "if let head, head.ordinal > active.header.ordinal { throw olderThanHead(active, offset: 0) }", ""),
    (E + "Recovery/TailRecovery.swift", "guard end > Format.pageSize, UInt64(end) <= size else", "guard end > Format.pageSize || UInt64(end) <= size else"),
    (E + "Recovery/TailRecovery.swift", "if context.isWritable { try resumeRewrite(of: active) }", ""),
    (E + "Recovery/PartialRuns.swift", "guard try endsFrame(segment, run, size: Int(clamping: size)) else", "guard try endsFrame(segment, run, size: Int(clamping: size)) || true else"),
    (E + "Recovery/StoreOpener.swift", "guard entry.ordinal == UInt64(index) + listing.segments[0].ordinal else", "guard entry.ordinal > 0 else"),
    (E + "Recovery/StoreOpener.swift", "if listing.segments[0].ordinal != 1 {", "if listing.segments[0].ordinal == 0 {"),
    # Writing.
    (E + "Writer/LogWriter+Group.swift", "guard tracking.notificationID > highest else", "guard tracking.notificationID > highest - 1 else"),
    (E + "Writer/LogWriter+Group.swift", "view.lock.withLock { view.index.rollBack(to: indexCount, directoryCount: directoryCount) }\n      throw error", "throw error"),
    (E + "Writer/LogWriter+Group.swift", "try cutBack(to: start, after: error)", "throw StorageError(.diskFull, \"full\")"),
    (E + "Writer/LogWriter+Group.swift", "undo(before)\n", ""),
    (E + "Writer/LogWriter+Places.swift", "} else if isThere {", "} else if isThere, record.position > 0 {"),
    (E + "Writer/LogWriter+Places.swift", "guard isThere else { throw Self.recordNotFound(record, number) }", ""),
    (E + "Writer/LogWriter+Places.swift", "return last.flags.contains(.tombstone) ? nil : (nil, last)", "return (nil, last)"),
    (E + "Writer/LogWriter+Roll.swift", "try makeDurable(mark)\n    let info", "let info"),
    (E + "Writer/LogWriter.swift", "becomePoisoned(failure)\n      throw failure", "throw failure"),
    (E + "Writer/LogWriter.swift", "try mark.segment.file.synchronizeFully()", "_ = mark.segment.file"),
    (E + "Writer/LogWriter.swift", "guard mark.nextSequence >= headSequence else { return }", ""),
    (E + "Writer/LogWriter+Maintenance.swift", "if try mark.segment.file.size() > UInt64(mark.end) {", "if try mark.segment.file.size() > UInt64.max - 1 {"),
    # Limits and following.
    (E + "Model/Commit.swift", "guard position >= 0 else", "guard position >= -1 else"),
    (E + "Store/Follower.swift", "guard error.code == .keyUnavailable else { throw error }", "guard error.code == .locked else { throw error }"),
    (E + "Store/Follower.swift", "guard isComplete else { break walk }\n        throw", "guard !isComplete else { break walk }\n        throw"),
    (E + "Store/Follower.swift", "limit = Int(next.header.previousEnd)", "limit = size"),
    (E + "Store/Follower.swift", "if isNew { adoptRuns() }", ""),
    (E + "Store/Follower.swift", "      adoptRuns()\n      isNew = true", "      isNew = true"),
    # Files, names and pages.
    (E + "FileSystem/FilePool.swift", "    evicted?.letGo()\n", "    _ = evicted\n"),
    (E + "Recovery/StoreOpener.swift", "if listing?.segments.isEmpty == true {", "if listing == nil {"),
    (E + "Recovery/StoreOpener.swift", "opener.directory = try io { () throws(SystemError) in try fileSystem.absolutePath(of: directory) }", "_ = opener.list"),
    (E + "Index/Run.swift", "      if let first = pages[number] { return first }\n", ""),
    # Fingerprints.
    (E + "Store/SegmentStore+Records.swift", "} else if try isOwn(found) {", "} else {"),
]


def run(command, seconds=None):
    """The exit status, or None when the time was over, and the output; the process and its children are gone in any case."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
    try:
        output, _ = process.communicate(timeout=seconds)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None, ""
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def build():
    return run(["swift", "build", "--build-tests"])


def test(stage, seconds=None):
    return run(["swift", "test", "--skip-build", "--filter", stage], seconds)


def make_copy():
    """The engine and its tests as they are now. Files keep their times, so that little is compiled again."""
    for part in ["CLZ4", "CLibcrypto", "CPlatform", "Sealing", "SegmentStorage"]:
        update(os.path.join("Sources", part))
    for part in ["StorageTestSupport", "SealingTests", "SegmentStorageTests"]:
        update(os.path.join("Tests", part))
    update("Fixtures")
    with open(os.path.join(COPY, "Package.swift"), "w") as file:
        file.write(MANIFEST)


def update(part):
    target = os.path.join(COPY, part)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(part, target, symlinks=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="numbers of mutations, separated by commas")
    parser.add_argument("--list", action="store_true", help="print the mutations")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    for path, text, _ in MUTATIONS:
        with open(path) as file:
            count = file.read().count(text)
        if count != 1:
            sys.exit(f"{path}: stands {count} times, not once: {text!r}")
    if arguments.list:
        for number, (path, text, replacement) in enumerate(MUTATIONS, 1):
            print(f"{number:3} {path}: {text.strip()!r} -> {replacement.strip()!r}")
        return
    only = [int(number) for number in arguments.only.split(",") if number]
    os.environ["CLOSEROLL_QUICK"] = "1"
    make_copy()
    os.chdir(COPY)

    limits = []
    status, output = build()
    if status != 0:
        sys.exit(f"It does not build:\n{output[-2000:]}")
    for stage in STAGES:
        start = time.time()
        status, output = test(stage)
        if status != 0:
            sys.exit(f"The tests fail without a mutation:\n{output[-2000:]}")
        limits.append(5 * (time.time() - start) + 10)
    print(f"without a mutation: {', '.join(f'{limit / 5 - 2:.0f} s' for limit in limits)}", flush=True)

    tried = 0
    slipped = []
    for number, (path, text, replacement) in enumerate(MUTATIONS, 1):
        if only and number not in only:
            continue
        with open(path) as file:
            original = file.read()
        start = time.time()
        what = "SLIPPED THROUGH"
        try:
            with open(path, "w") as file:
                file.write(original.replace(text, replacement))
            status, output = build()
            if status != 0:
                sys.exit(f"{number:3} does not build; mend it: {path}: {text.strip()!r}\n{output[-600:]}")
            for stage, limit in zip(STAGES, limits):
                status, output = test(stage, limit)
                if status != 0:
                    what = "ended" if status is None else "trapped" if "signal" in output else "noticed"
                    break
        finally:
            with open(path, "w") as file:
                file.write(original)
        tried += 1
        if what == "SLIPPED THROUGH":
            slipped.append(number)
        print(
            f"{number:3} {what} ({time.time() - start:.0f} s) {path}: {text.strip()!r} -> {replacement.strip()!r}",
            flush=True)
    noticed = tried - len(slipped)
    share = 100 * noticed / max(1, tried)
    print(f"mutations: {tried} tried, {noticed} noticed ({share:.0f} %), slipped through: {slipped}")
    sys.exit(0 if share >= 85 else 1)


main()
