#include "dns/zone.hpp"

#include <algorithm>
#include <array>

#include "base/strings.hpp"
#include "dns/wire.hpp"

namespace cloudless::dns {

void add_record(std::vector<RRset>& sets, Record record) {
  for (RRset& set : sets) {
    if (set.type != record.type) continue;
    set.ttl = std::min(set.ttl, record.ttl);
    if (std::ranges::find(set.rdatas, record.rdata) == set.rdatas.end())
      set.rdatas.push_back(std::move(record.rdata));
    return;
  }
  sets.push_back({record.type, record.ttl, {std::move(record.rdata)}});
}

namespace {

Result<> check_node(const Name& apex, const Name& name, const std::vector<RRset>& sets) {
  const auto has = [&](Type type) { return std::ranges::find(sets, type, &RRset::type) != sets.end(); };
  if (!name.is_within(apex)) {
    return fail(Code::kInvalid, "{} is outside of the zone {}", name.to_text(), apex.to_text());
  }
  if (name == apex && !has(Type::kSoa)) {
    return fail(Code::kInvalid, "the zone {} has no SOA record", apex.to_text());
  }
  if (name != apex && has(Type::kSoa)) {
    return fail(Code::kInvalid, "{} has a SOA record below the top of the zone", name.to_text());
  }
  if (has(Type::kCname) && sets.size() > 1) {
    return fail(Code::kInvalid, "{} has a CNAME and other records", name.to_text());
  }
  for (const RRset& set : sets) {
    const bool single = set.type == Type::kCname || set.type == Type::kDname || set.type == Type::kSoa;
    if (single && set.rdatas.size() > 1) {
      return fail(Code::kInvalid, "{} has {} {} records where one is allowed", name.to_text(),
                  set.rdatas.size(), to_text(set.type));
    }
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Zone>> Zone::make(const Name& apex, std::vector<Record> records,
                                               Synthesizer synthesize) {
  const std::shared_ptr<Zone> zone(new Zone(apex.canonical(), std::move(synthesize)));
  Changes changes;
  changes[zone->apex_];
  for (Record& record : records) add_record(changes[record.owner.canonical()], std::move(record));
  TRY(zone->apply(changes));
  return zone;
}

Result<std::shared_ptr<const Zone>> Zone::with(const Changes& changes) const {
  const std::shared_ptr<Zone> changed(new Zone(*this));
  TRY(changed->apply(changes));
  return changed;
}

Result<> Zone::apply(const Changes& changes) {
  for (const auto& [owner, sets] : changes) TRY(check_node(apex_, owner, sets));
  Editor nodes(nodes_);
  for (const auto& [owner, sets] : changes) set_node(nodes, owner, sets);
  nodes_ = std::move(nodes).finish();
  return {};
}

void Zone::set_node(Editor& nodes, const Name& owner, const std::vector<RRset>& sets) {
  const Node* before = nodes.find(owner);
  if (!before && sets.empty()) return;
  if (before) count(owner, before->sets, -1);
  if (!before) make_parents(nodes, owner);
  nodes.at(owner).sets = sets;
  count(owner, sets, 1);
  drop_if_empty(nodes, owner);
}

void Zone::make_parents(Editor& nodes, const Name& owner) {
  for (Name name = owner; name != apex_;) {
    name = name.parent();
    const bool present = nodes.find(name);
    ++nodes.at(name).children;
    if (present) return;
  }
}

void Zone::drop_if_empty(Editor& nodes, Name name) {
  while (name != apex_) {
    const Node& node = *nodes.find(name);
    if (!node.sets.empty() || node.children > 0) return;
    nodes.erase(name);
    name = name.parent();
    --nodes.at(name).children;
  }
}

void Zone::count(const Name& owner, const std::vector<RRset>& sets, int sign) {
  const auto add = [sign](size_t& to, size_t number) { to += static_cast<size_t>(sign) * number; };
  for (const RRset& set : sets) {
    add(record_count_, set.rdatas.size());
    if (set.type == Type::kNs && owner != apex_) add(delegations_, 1);
    if (set.type == Type::kDname) add(dnames_, 1);
  }
}

const std::vector<RRset>* Zone::find(NameView name) const {
  const Node* node = nodes_.find(name);
  return node ? &node->sets : nullptr;
}

const RRset* Zone::find(NameView name, Type type) const {
  const auto* sets = find(name);
  if (!sets) return nullptr;
  const auto found = std::ranges::find(*sets, type, &RRset::type);
  return found == sets->end() ? nullptr : &*found;
}

namespace {

// SOA rdata ends in five 32-bit numbers: serial, refresh, retry, expire, minimum (RFC 1035 section 3.3.13).
uint32_t soa_number(const std::string& rdata, size_t from_end) {
  return read_u32(rdata, rdata.size() - from_end);
}

}  // namespace

uint32_t Zone::serial() const { return soa_number(find(apex_, Type::kSoa)->rdatas[0], 20); }

std::vector<Record> Zone::records() const {
  std::vector<Record> all;
  nodes_.for_each([&all](const Name& name, const Node& node) {
    for (const RRset& set : node.sets) {
      for (const std::string& rdata : set.rdatas) all.push_back({name, set.type, set.ttl, rdata});
    }
  });
  std::ranges::partition(all, [](const Record& record) { return record.type == Type::kSoa; });
  return all;
}

ZoneSet::ZoneSet(std::vector<std::shared_ptr<const Zone>> zones) {
  for (auto& zone : zones) zones_.insert_or_assign(zone->apex(), zone);
}

const Zone* ZoneSet::find(NameView name) const {
  for (NameView at = name;; at = at.parent()) {
    if (const auto found = zones_.find(at); found != zones_.end()) return found->second.get();
    if (at.is_root()) return nullptr;
  }
}

namespace {

class Answerer {
 public:
  Answerer(const ZoneSet& zones, const Query& query, size_t limit, std::string buffer)
      : zones_(zones),
        query_(query),
        asked_(query.name),
        type_(static_cast<Type>(query.type)),
        writer_(query, limit, std::move(buffer)) {}

  std::string run() {
    NameView name = asked_;
    Name target;  // of the last link
    const Zone* zone = zones_.find(name);
    const bool other_class = query_.klass != kClassIn && query_.klass != static_cast<uint16_t>(Type::kAny);
    const bool transfer = type_ == Type::kAxfr || type_ == Type::kIxfr;
    if (!zone || other_class || transfer) return writer_.finish(Rcode::kRefused, {});
    Rcode rcode = Rcode::kNoError;
    for (int link = 0; zone && link < kMaxChain; ++link) {
      auto next = look_up(*zone, name, rcode);
      if (!next) break;
      target = std::move(*next);
      name = target;
      zone = zones_.find(name);
    }
    add_glue();
    return writer_.finish(rcode, {.authoritative = authoritative_});
  }

 private:
  struct Glue {
    const Zone* zone;
    Name name;
  };

  // One round of RFC 1034 section 4.3.2 step 3. Returns the target where a CNAME or DNAME leads on.
  std::optional<Name> look_up(const Zone& zone, NameView name, Rcode& rcode) {
    if (zone.has_delegations() && refer(zone, name)) return std::nullopt;
    authoritative_ = true;
    if (zone.has_dnames()) {
      if (const auto rewritten = follow_dname(zone, name, rcode)) return *rewritten;
    }
    const std::vector<RRset>* sets = zone.find(name);
    if (!sets) sets = find_wildcard(zone, name);
    std::optional<std::vector<RRset>> computed;
    if (!sets) computed = zone.synthesize(name);
    if (computed) sets = &*computed;
    if (!sets) {
      rcode = Rcode::kNxDomain;
      add_negative(zone);
      return std::nullopt;
    }
    return answer_from(zone, name, *sets);
  }

  std::optional<Name> answer_from(const Zone& zone, NameView name, const std::vector<RRset>& sets) {
    // The owner in the answer is the name as asked, so that a resolver's case check holds
    // (draft-vixie-dnsext-dns0x20).
    const NameView owner = name == asked_.view() ? NameView(query_.name) : name;
    bool answered = false;
    for (const RRset& set : sets) {
      const bool wanted = set.type == type_ || type_ == Type::kAny;
      if (set.type == Type::kCname && !wanted) {
        writer_.add(Section::kAnswer, owner, set.type, set.ttl, set.rdatas);
        return Name::from_wire(set.rdatas[0]).value().canonical();
      }
      if (!wanted) continue;
      writer_.add(Section::kAnswer, owner, set.type, set.ttl, set.rdatas);
      collect_glue(zone, set);
      answered = true;
      // One set is answer enough for ANY (RFC 8482 section 4.1).
      if (type_ == Type::kAny) break;
    }
    if (!answered) add_negative(zone);
    return std::nullopt;
  }

  // A delegation between the apex and `name`: its NS set and glue, without authority. DS lives on our side of
  // the cut.
  bool refer(const Zone& zone, NameView name) {
    const RRset* cut = nullptr;
    NameView cut_name = name;
    for (NameView at = name; at != zone.apex(); at = at.parent()) {
      const RRset* ns = zone.find(at, Type::kNs);
      if (ns && !(at == name && type_ == Type::kDs)) {
        cut = ns;
        cut_name = at;
      }
    }
    if (!cut) return false;
    writer_.add(Section::kAuthority, cut_name, Type::kNs, cut->ttl, cut->rdatas);
    collect_glue(zone, *cut);
    return true;
  }

  // RFC 6672 section 3.2: the DNAME itself, and the CNAME that it stands for. Where a DNAME was found, the
  // target that the answer goes on with; nothing in it where the CNAME itself was asked for or cannot be
  // made.
  std::optional<std::optional<Name>> follow_dname(const Zone& zone, NameView name, Rcode& rcode) {
    for (NameView at = name; at != zone.apex();) {
      at = at.parent();
      const RRset* dname = zone.find(at, Type::kDname);
      if (!dname) continue;
      writer_.add(Section::kAnswer, at, Type::kDname, dname->ttl, dname->rdatas);
      const std::string_view above = name.wire().substr(0, name.wire().size() - at.wire().size());
      const Name prefix = Name::from_wire(std::string(above) + '\0').value();
      const auto target = prefix.appended_to(Name::from_wire(dname->rdatas[0]).value());
      if (!target) {
        rcode = Rcode::kYxDomain;
        return std::optional<Name>();
      }
      writer_.add(Section::kAnswer, name, Type::kCname, dname->ttl, {target->wire()});
      if (type_ == Type::kCname) return std::optional<Name>();
      return std::optional(target->canonical());
    }
    return std::nullopt;
  }

  // RFC 4592: the wildcard child of the closest existing ancestor.
  static const std::vector<RRset>* find_wildcard(const Zone& zone, NameView name) {
    NameView ancestor = name.parent();
    while (!zone.find(ancestor)) ancestor = ancestor.parent();
    // Shorter than `name`, of which it replaces one label or more, so it fits.
    std::array<char, kMaxNameBytes> wildcard;
    wildcard[0] = 1;
    wildcard[1] = '*';
    std::ranges::copy(ancestor.wire(), wildcard.begin() + 2);
    return zone.find(NameView(std::string_view(wildcard.data(), ancestor.wire().size() + 2)));
  }

  // RFC 2308 section 3: the SOA, for no longer than its own minimum.
  void add_negative(const Zone& zone) {
    const RRset& soa = *zone.find(zone.apex(), Type::kSoa);
    writer_.add(Section::kAuthority, zone.apex(), Type::kSoa, std::min(soa.ttl, soa_number(soa.rdatas[0], 4)),
                soa.rdatas);
  }

  void collect_glue(const Zone& zone, const RRset& set) {
    const size_t skip = set.type == Type::kMx ? 2 : set.type == Type::kSrv ? 6 : 0;
    if (set.type != Type::kNs && skip == 0) return;
    for (const std::string& rdata : set.rdatas) {
      if (const auto target = Name::from_wire(std::string_view(rdata).substr(skip))) {
        glue_.push_back({&zone, target->canonical()});
      }
    }
  }

  void add_glue() {
    std::ranges::sort(glue_, {}, &Glue::name);
    const auto repeated = std::ranges::unique(glue_, {}, &Glue::name);
    glue_.erase(repeated.begin(), repeated.end());
    for (const Glue& glue : glue_) {
      for (const Type type : {Type::kA, Type::kAaaa}) {
        const RRset* set =
            glue.name.is_within(glue.zone->apex()) ? glue.zone->find(glue.name, type) : nullptr;
        if (set) writer_.add(Section::kAdditional, glue.name, type, set->ttl, set->rdatas);
      }
    }
  }

  const ZoneSet& zones_;
  const Query& query_;
  const CanonicalName asked_;
  const Type type_;
  ResponseWriter writer_;
  bool authoritative_ = false;
  std::vector<Glue> glue_;
};

}  // namespace

std::string answer(const ZoneSet& zones, const Query& query, size_t limit, std::string buffer) {
  if (query.edns && query.edns->version != 0) {
    return ResponseWriter(query, limit, std::move(buffer)).finish(Rcode::kBadVers, {});
  }
  return Answerer(zones, query, limit, std::move(buffer)).run();
}

}  // namespace cloudless::dns
