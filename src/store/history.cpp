// LocalStore's past, for watchers; and a whole history put in at once, for restore().
#include <algorithm>
#include <tuple>

#include "store/errors.hpp"
#include "store/local_store.hpp"
#include "store/varint.hpp"

namespace cloudless::store {

Revision LocalStore::compact_revision() {
  const std::shared_lock lock(state_mutex_);
  return index_.compacted();
}

Result<std::vector<Revision>> LocalStore::revisions(const WatchRequest& request, Revision from) {
  const std::shared_lock lock(state_mutex_);
  if (from < index_.compacted()) return std::unexpected(errors::compacted());
  if (from > index_.visible()) return std::vector<Revision>();
  return index_.revisions(request.key, request.range_end, from, index_.visible());
}

runtime::Task<Result<std::vector<SharedEvent>>> LocalStore::read(const WatchRequest& request,
                                                                 std::vector<Revision> revisions) {
  co_return co_await readers_.run(
      [this, request, revisions = std::move(revisions)] { return read_events(request, revisions); });
}

Result<std::vector<SharedEvent>> LocalStore::read_events(const WatchRequest& request,
                                                         const std::vector<Revision>& revisions) {
  std::vector<SharedEvent> events;
  for (const Revision revision : revisions) {
    const Result<std::string> record = log_->read(revision);
    if (revision < compact_revision()) return std::unexpected(errors::compacted());
    if (!record) {
      if (record.error().code == Code::kNotFound) return std::unexpected(errors::compacted());
      return std::unexpected(record.error());
    }
    std::vector<StagedChange> changes;
    Result<> decoded;
    TRY(decode_record(revision, *record, [&](const Change& change) {
      const bool unwanted = change.type == EventType::kPut ? request.no_put : request.no_delete;
      if (unwanted || !in_range(change.key, request.key, request.range_end)) return true;
      StagedChange found{.type = change.type, .key = std::string(change.key)};
      found.version.mod = revision;
      found.version.create = change.create_revision;
      found.version.lease = change.lease;
      found.version.number = change.version;
      if (change.type == EventType::kPut) {
        Result<SharedBytes> value = values_.decode(change, revision);
        if (!value) {
          decoded = std::unexpected(value.error());
          return false;
        }
        found.value = std::move(*value);
      }
      changes.push_back(std::move(found));
      return true;
    }));
    if (!decoded) {
      if (decoded.error().code == Code::kNotFound) return std::unexpected(errors::compacted());
      return std::unexpected(decoded.error());
    }
    for (StagedChange& change : changes) {
      if (request.prev_kv) {
        const std::shared_lock lock(state_mutex_);
        const Version* previous =
            revision > index_.compacted() ? index_.find(change.key, revision - 1) : nullptr;
        if (previous) change.previous = *previous;
      }
      events.push_back(make_event(change, request.prev_kv));
    }
  }
  return events;
}

SharedEvent LocalStore::make_event(const StagedChange& change, bool with_previous) {
  auto event = std::make_shared<Event>();
  event->type = change.type;
  if (change.type == EventType::kPut) {
    SharedBytes value = change.value;
    if (!value) {
      Result<SharedBytes> read_value = values_.read(change.key, change.version.mod);
      if (!read_value) return nullptr;
      value = std::move(*read_value);
    }
    event->kv = to_key_value(change.key, change.version, std::move(value));
  } else {
    event->kv.key = change.key;
    event->kv.mod_revision = change.version.mod;
  }
  if (with_previous && change.previous.mod != 0) {
    // Compacted by now, it is left out, as etcd does.
    if (Result<SharedBytes> value = values_.read(change.key, change.previous.mod)) {
      event->prev_kv = to_key_value(change.key, change.previous, std::move(*value));
    }
  }
  return event;
}

runtime::Task<Result<>> LocalStore::restore(Revision revision, std::vector<KeyValue> kvs,
                                            std::vector<Lease> leases) {
  const auto restore_all = [this, revision, kvs = std::move(kvs),
                            leases = std::move(leases)]() -> Result<bool> {
    TRY(restore_now(revision, kvs, leases));
    return true;
  };
  CO_TRY(co_await on_writer<bool>(restore_all));
  co_return {};
}

Result<> LocalStore::restore_now(Revision revision, const std::vector<KeyValue>& kvs,
                                 const std::vector<Lease>& leases) {
  std::vector<const KeyValue*> ordered;
  ordered.reserve(kvs.size());
  for (const KeyValue& kv : kvs) {
    if (kv.mod_revision <= kEmptyHead || kv.mod_revision > revision || kv.create_revision > kv.mod_revision) {
      return fail(Code::kInvalid, "the archive holds a key of revision {}, outside 2 to {}", kv.mod_revision,
                  revision);
    }
    ordered.push_back(&kv);
  }
  std::ranges::sort(ordered, [](const KeyValue* a, const KeyValue* b) {
    return std::tie(a->mod_revision, a->key) < std::tie(b->mod_revision, b->key);
  });

  ValueCodec codec;
  std::vector<LogEntry> entries;
  for (auto it = ordered.begin(); it != ordered.end();) {
    const Revision mod = (*it)->mod_revision;
    std::vector<Change> changes;
    std::deque<std::string> payloads;
    for (; it != ordered.end() && (*it)->mod_revision == mod; ++it) {
      const KeyValue& kv = **it;
      const ValueCodec::Encoded encoded = codec.encode(view(kv.value), std::nullopt);
      payloads.emplace_back(encoded.payload);
      changes.push_back({.type = EventType::kPut,
                         .key = kv.key,
                         .create_revision = kv.create_revision,
                         .version = kv.version,
                         .lease = kv.lease,
                         .encoding = encoded.encoding,
                         .size = view(kv.value).size(),
                         .payload = payloads.back()});
    }
    entries.push_back({mod, encode_record(mod, changes)});
  }

  LeaseTable restored(clock_);
  std::vector<MetaChange> facts;
  for (const Lease& lease : leases) {
    restored.grant(lease.id, lease.granted_ttl);
    facts.push_back(restored.fact(lease.id));
  }
  std::string number;
  put_fixed64(number, static_cast<uint64_t>(revision));
  facts.push_back({std::string(kCompactFact), std::move(number)});
  TRY(log_->restore(revision, entries, facts));
  TRY(reload_facts());
  return catch_up();
}

}  // namespace cloudless::store
