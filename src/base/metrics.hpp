// Metrics in Prometheus' text format (version 0.0.4). A Registry owns families; a family owns one series per
// set of label values. Counters and gauges are lock-free to update; looking up a series takes a mutex, so hot
// paths keep the reference they got (it stays valid as long as the Registry).
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace cloudless::metrics {

class Counter {
 public:
  void add(uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  /// `bounds`: upper bounds, ascending, without +Inf.
  explicit Histogram(std::vector<double> bounds);
  void observe(double value);

  const std::vector<double>& bounds() const { return bounds_; }
  /// Observations at or below bounds()[i] and above the bound before it; the last one is above all.
  uint64_t bucket(size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<uint64_t>[]> buckets_;
  std::atomic<double> sum_{0};
};

template <class Series>
class Family {
 public:
  using Make = std::unique_ptr<Series> (*)(const std::vector<double>& bounds);
  Family(std::vector<std::string> label_names, std::vector<double> bounds)
      : label_names_(std::move(label_names)), bounds_(std::move(bounds)) {}

  /// The series of these label values, made at first use. As many values as the family has label names.
  Series& with(const std::vector<std::string>& label_values = {});

 private:
  friend class Registry;
  std::vector<std::string> label_names_;
  std::vector<double> bounds_;
  std::mutex mutex_;
  std::map<std::vector<std::string>, std::unique_ptr<Series>> series_;
};

class Registry {
 public:
  /// The family of that name; made at first use, after which help, labels and bounds must be the same.
  Family<Counter>& counter(std::string name, std::string help, std::vector<std::string> label_names = {});
  Family<Gauge>& gauge(std::string name, std::string help, std::vector<std::string> label_names = {});
  Family<Histogram>& histogram(std::string name, std::string help, std::vector<double> bounds,
                               std::vector<std::string> label_names = {});

  /// Everything, in Prometheus' text exposition format, families by name.
  std::string expose() const;

 private:
  struct Entry {
    std::string help;
    std::unique_ptr<Family<Counter>> counter;
    std::unique_ptr<Family<Gauge>> gauge;
    std::unique_ptr<Family<Histogram>> histogram;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Entry> families_;
};

}  // namespace cloudless::metrics
