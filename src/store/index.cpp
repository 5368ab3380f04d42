#include "store/index.hpp"

#include <algorithm>
#include <cassert>

namespace cloudless::store {

const Version* Index::version_at(const History& history, Revision at) {
  if (history.newest.mod <= at) return history.newest.deleted ? nullptr : &history.newest;
  if (!history.older) return nullptr;
  const auto after = std::ranges::upper_bound(*history.older, at, {}, &Version::mod);
  if (after == history.older->begin()) return nullptr;
  const Version& version = *std::prev(after);
  return version.deleted ? nullptr : &version;
}

const Version* Index::find(std::string_view key, Revision at) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? nullptr : version_at(found->second, at);
}

Index::Standing Index::standing(std::string_view key, Revision at) const {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return {};
  return {version_at(found->second, at), full_at(found->second, at)};
}

const Version* Index::full_at(const History& history, Revision at) {
  if (history.newest.mod <= at) {
    if (history.newest.deleted) return nullptr;
    if (history.newest.full) return &history.newest;
  }
  if (!history.older) return nullptr;
  auto after = std::ranges::upper_bound(*history.older, at, {}, &Version::mod);
  while (after != history.older->begin()) {
    --after;
    if (after->deleted) return nullptr;
    if (after->full) return &*after;
  }
  return nullptr;
}

void Index::scan(std::string_view key, std::string_view range_end, Revision at, const Visit& visit) const {
  if (range_end.empty()) {
    const auto found = keys_.find(key);
    if (found == keys_.end()) return;
    if (const Version* version = version_at(found->second, at)) visit(found->first, *version);
    return;
  }
  for (auto it = first_of(key); it != keys_.end() && in_range(it->first, key, range_end); ++it) {
    const Version* version = version_at(it->second, at);
    if (version && !visit(it->first, *version)) return;
  }
}

std::vector<Revision> Index::revisions(std::string_view key, std::string_view range_end, Revision from,
                                       Revision to) const {
  std::vector<Revision> found;
  const auto collect = [&](const Version& version) {
    if (version.mod >= from && version.mod <= to) found.push_back(version.mod);
  };
  for (auto it = first_of(key); it != keys_.end() && in_range(it->first, key, range_end); ++it) {
    const History& history = it->second;
    if (history.older && history.newest.mod >= from) std::ranges::for_each(*history.older, collect);
    collect(history.newest);
  }
  std::ranges::sort(found);
  const auto repeated = std::ranges::unique(found);
  found.erase(repeated.begin(), repeated.end());
  return found;
}

const std::string& Index::stage(std::string_view key, const Version& version) {
  assert(version.mod == staged_revision_ || version.mod == staged_revision_ + 1);
  if (version.mod == staged_revision_ && !staged_.empty()) {
    uint32_t& count = shared_revisions_[version.mod];
    count = std::max(count, 1u) + 1;
  }
  staged_revision_ = version.mod;

  auto found = keys_.lower_bound(key);
  if (found == keys_.end() || found->first != key) {
    found = keys_.emplace_hint(found, key, History{version, nullptr});
    live_keys_ += !version.deleted;
  } else {
    History& history = found->second;
    live_keys_ += !version.deleted - !history.newest.deleted;
    if (!history.older) history.older = std::make_unique<std::vector<Version>>();
    history.older->push_back(history.newest);
    history.newest = version;
  }
  staged_.push_back({version.mod, found});
  return found->first;
}

void Index::publish() {
  visible_ = staged_revision_;
  staged_.clear();
}

void Index::unstage(Keys::iterator key) {
  History& history = key->second;
  live_keys_ -= !history.newest.deleted;
  if (!history.older || history.older->empty()) {
    keys_.erase(key);
    return;
  }
  history.newest = history.older->back();
  live_keys_ += !history.newest.deleted;
  history.older->pop_back();
  if (history.older->empty()) history.older.reset();
}

void Index::rollback(Revision revision) {
  assert(revision >= visible_);
  while (!staged_.empty() && staged_.back().revision > revision) {
    shared_revisions_.erase(staged_.back().revision);
    unstage(staged_.back().key);
    staged_.pop_back();
  }
  staged_revision_ = std::min(staged_revision_, revision);
}

void Index::skip_to(Revision revision) {
  assert(staged_.empty() && revision >= visible_);
  visible_ = staged_revision_ = revision;
}

void Index::forget(Sweep& sweep, const std::string& key, Revision revision) {
  const auto shared = shared_revisions_.find(revision);
  if (shared == shared_revisions_.end()) {
    sweep.prunes.push_back({revision, {}});
  } else {
    sweep.prunes.push_back({revision, {key}});
    if (--shared->second == 0) shared_revisions_.erase(shared);
  }
}

// Moves out of `versions` (ascending) what no read at or after `compacted` and no delta needs: all before the
// version that such reads see, except that one's base; that one too if it is a deletion.
std::vector<Revision> Index::take_superseded(std::vector<Version>& versions, Revision compacted,
                                             size_t limit) {
  std::vector<Revision> taken;
  const auto after = std::ranges::upper_bound(versions, compacted, {}, &Version::mod);
  if (after == versions.begin()) return taken;
  const Version seen = *std::prev(after);
  Revision base = 0;
  for (auto it = versions.begin(); !seen.deleted && !seen.full && it != std::prev(after); ++it) {
    if (it->full) base = it->mod;
  }
  const auto superseded = [&](const Version& version) {
    if (taken.size() == limit || version.mod > seen.mod || version.mod == base) return false;
    if (version.mod == seen.mod && !seen.deleted) return false;
    taken.push_back(version.mod);
    return true;
  };
  std::erase_if(versions, superseded);
  return taken;
}

Index::Sweep Index::sweep(std::string_view from, size_t keys, size_t changes) {
  Sweep sweep;
  auto it = keys_.lower_bound(from);
  for (size_t visited = 0; it != keys_.end() && visited < keys && changes > 0; ++visited) {
    History& history = it->second;
    if (!history.older && !(history.newest.deleted && history.newest.mod <= compacted_)) {
      ++it;
      continue;
    }
    std::vector<Version> versions = history.older ? std::move(*history.older) : std::vector<Version>();
    versions.push_back(history.newest);
    const std::vector<Revision> taken = take_superseded(versions, std::min(compacted_, visible_), changes);
    for (const Revision revision : taken) forget(sweep, it->first, revision);
    changes -= taken.size();
    if (versions.empty()) {
      it = keys_.erase(it);
      continue;
    }
    versions.pop_back();
    if (versions.empty()) {
      history.older.reset();
    } else {
      versions.shrink_to_fit();
      *history.older = std::move(versions);
    }
    // Of a key with very many versions the oldest go first; the next step takes it up again.
    if (changes > 0) ++it;
  }
  sweep.done = it == keys_.end();
  if (!sweep.done) sweep.next_key = it->first;
  return sweep;
}

void Index::clear() { *this = Index(); }

}  // namespace cloudless::store
