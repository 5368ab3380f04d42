// Controller: one pure plan with its shell. Every controller is a file with a view (the caches it reads), a
// function plan_X(view, key, context) -> Plan that decides without I/O, and make_X(deps) that ties the plan
// to informers.
#pragma once

#include <memory>
#include <string>

#include "client/reconciler.hpp"

namespace cloudless::controllers {

using client::Plan;
using client::PlanContext;

/// What controllers are built from; everything outlives them.
struct Deps {
  const client::Client& client;
  client::Informers& informers;
  client::EventRecorder& recorder;
  runtime::Executor& executor;
  Random& random;
  Logger log;
};

class Controller {
 public:
  struct Options {
    std::string name;       // as kube-controller-manager's --controllers has it: "deployment-controller"
    std::string component;  // in whose name events are recorded; empty: the name
    int workers = 4;
  };

  Controller(const Deps& deps, const Options& options, client::PlanFunction plan)
      : Controller(deps, options, client::asking_nothing(std::move(plan))) {}
  Controller(const Deps& deps, const Options& options, client::AskingPlanFunction plan)
      : name_(options.name),
        performer_(deps.client, deps.informers, deps.recorder,
                   options.component.empty() ? options.name : options.component),
        reconciler_({.name = options.name, .workers = options.workers}, std::move(plan), performer_,
                    deps.executor, deps.random, deps.log) {}
  virtual ~Controller() = default;

  const std::string& name() const { return name_; }
  client::Reconciler& reconciler() { return reconciler_; }
  client::Performer& performer() { return performer_; }
  /// Until cancelled.
  virtual runtime::Task<void> run() { return reconciler_.run(); }

 private:
  const std::string name_;
  client::Performer performer_;
  client::Reconciler reconciler_;
};

using ControllerPtr = std::unique_ptr<Controller>;

}  // namespace cloudless::controllers
