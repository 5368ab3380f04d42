// FakeApi: as much of an API server as controllers and informers need, in memory, with faults drawn from a
// seed. A net::Handler; join it to a Client by net::InProcessTransport.
//
// It has every resource that is asked for, and the built-in ones in discovery: lists, watches from a resource
// version (both of one name, where a field selector asks for it), create, update with version checks, status
// subresource, JSON merge patches (lists of conditions and owner references merge by their key), delete with
// preconditions, finalizers and the grace of bound pods, bindings. It validates nothing.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "net/http.hpp"
#include "runtime/channel.hpp"
#include "runtime/executor.hpp"

namespace cloudless::client::testing {

/// How often things go wrong, as a part of 1.
struct Faults {
  double refused = 0;      // a write fails with 500 and does nothing
  double lost_answer = 0;  // a write succeeds but its answer is 504
  double dropped_watch = 0;
};

class FakeApi {
 public:
  FakeApi(runtime::Executor& executor, uint64_t seed) : executor_(executor), random_(seed) {}

  net::Handler handler();
  void set_faults(Faults faults) { faults_ = faults; }
  /// Forgets the events so far: watches from before answer 410 when they are opened next.
  void compact();
  /// Ends all watches.
  void drop_watches();

  /// Puts an object as if a client had; `object` has kind, apiVersion and metadata. Returns it as stored.
  boost::json::object put(const std::string& collection, boost::json::object object);
  bool erase(const std::string& collection, const std::string& key);
  /// Null where there is none. `collection`: "pods", "deployments.apps"; `key`: "ns/name".
  const boost::json::object* find(const std::string& collection, const std::string& key) const;
  std::vector<const boost::json::object*> all(const std::string& collection) const;
  /// How many objects were ever created in the collection.
  int created(const std::string& collection) const;
  int64_t revision() const { return revision_; }
  /// A digest of all requests and events so far and their times: two runs of one seed have the same.
  const std::string& history() const { return history_; }
  /// A collection that answers 404 as a whole.
  void hide(const std::string& collection) { hidden_.insert(collection); }
  void show(const std::string& collection) { hidden_.erase(collection); }

 private:
  struct Target;
  struct Event {
    int64_t revision;
    std::string collection;
    std::string line;
    std::string ns;
    std::string name;
  };
  struct Answer {
    int status = 200;
    boost::json::object body;
  };

  runtime::Task<void> serve(net::Request request, net::ResponseWriter& response);
  runtime::Task<void> serve_watch(const Target& target, net::ResponseWriter& response);
  Answer answer(const std::string& method, const Target& target, const std::string& body);
  Answer create(const Target& target, boost::json::object object);
  Answer update(const Target& target, boost::json::object object);
  Answer patch(const Target& target, const boost::json::object& patch);
  Answer remove(const Target& target, const boost::json::object& options);
  Answer bind(const Target& target, const boost::json::object& binding);
  Answer list(const Target& target) const;
  Answer remove_all(const Target& target);
  boost::json::object store(const std::string& collection, const std::string& key, boost::json::object object,
                            const char* event);
  void publish(const std::string& collection, const char* event, const boost::json::object& object);
  void note(std::string_view what);
  bool happens(double chance) { return chance > 0 && random_.fraction() < chance; }

  runtime::Executor& executor_;
  SeededRandom random_;
  Faults faults_;
  int64_t revision_ = 100;
  std::string history_;
  int64_t compacted_ = 0;
  uint64_t watch_generation_ = 0;
  std::map<std::string, std::map<std::string, boost::json::object>> collections_;
  std::map<std::string, int> created_;
  std::set<std::string> hidden_;
  std::vector<Event> events_;
  std::vector<runtime::Signal*> watchers_;  // in the order they came: the order of their wake-ups replays
};

}  // namespace cloudless::client::testing
