#include "base/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

namespace cloudless::metrics {

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), buckets_(new std::atomic<uint64_t>[bounds_.size() + 1]()) {}

void Histogram::observe(double value) {
  const size_t at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  buckets_[at].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

template <class Series>
Series& Family<Series>::with(const std::vector<std::string>& label_values) {
  assert(label_values.size() == label_names_.size());
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Series>& series = series_[label_values];
  if (!series) {
    if constexpr (std::is_same_v<Series, Histogram>) {
      series = std::make_unique<Histogram>(bounds_);
    } else {
      series = std::make_unique<Series>();
    }
  }
  return *series;
}

template class Family<Counter>;
template class Family<Gauge>;
template class Family<Histogram>;

Family<Counter>& Registry::counter(std::string name, std::string help, std::vector<std::string> label_names) {
  const std::lock_guard lock(mutex_);
  Entry& entry = families_[std::move(name)];
  if (!entry.counter)
    entry = {std::move(help),
             std::make_unique<Family<Counter>>(std::move(label_names), std::vector<double>{}),
             {},
             {}};
  return *entry.counter;
}

Family<Gauge>& Registry::gauge(std::string name, std::string help, std::vector<std::string> label_names) {
  const std::lock_guard lock(mutex_);
  Entry& entry = families_[std::move(name)];
  if (!entry.gauge)
    entry = {std::move(help),
             {},
             std::make_unique<Family<Gauge>>(std::move(label_names), std::vector<double>{}),
             {}};
  return *entry.gauge;
}

Family<Histogram>& Registry::histogram(std::string name, std::string help, std::vector<double> bounds,
                                       std::vector<std::string> label_names) {
  const std::lock_guard lock(mutex_);
  Entry& entry = families_[std::move(name)];
  if (!entry.histogram) {
    entry = {std::move(help),
             {},
             {},
             std::make_unique<Family<Histogram>>(std::move(label_names), std::move(bounds))};
  }
  return *entry.histogram;
}

namespace {

// Backslash, quote and line feed are escaped in label values, as the exposition format asks.
std::string escape(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
    } else {
      if (c == '\\' || c == '"') out += '\\';
      out += c;
    }
  }
  return out;
}

// `{a="x",b="y"}` with `extra` (already in that form) last; empty where there is nothing.
std::string labels(const std::vector<std::string>& names, const std::vector<std::string>& values,
                   std::string extra = {}) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : ",", names[i], escape(values[i]));
  }
  if (!extra.empty()) out += (out.empty() ? "" : ",") + extra;
  return out.empty() ? out : "{" + out + "}";
}

void expose_histogram(std::string& out, const std::string& name, const std::vector<std::string>& names,
                      const std::vector<std::string>& values, const Histogram& histogram) {
  uint64_t total = 0;
  for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
    total += histogram.bucket(i);
    const std::string bound =
        i < histogram.bounds().size() ? fmt::format("{}", histogram.bounds()[i]) : "+Inf";
    out +=
        fmt::format("{}_bucket{} {}\n", name, labels(names, values, fmt::format("le=\"{}\"", bound)), total);
  }
  out += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, labels(names, values), histogram.sum(), name,
                     labels(names, values), total);
}

}  // namespace

std::string Registry::expose() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& named : families_) {
    const std::string& name = named.first;
    const Entry& entry = named.second;
    const std::string_view type = entry.counter ? "counter" : entry.gauge ? "gauge" : "histogram";
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, entry.help, name, type);
    const auto each = [](auto& family, const auto& write) {
      const std::lock_guard family_lock(family.mutex_);
      for (const auto& [values, series] : family.series_) write(family.label_names_, values, *series);
    };
    const auto write_value = [&](const auto& names, const auto& values, const auto& series) {
      out += fmt::format("{}{} {}\n", name, labels(names, values), series.value());
    };
    if (entry.counter) each(*entry.counter, write_value);
    if (entry.gauge) each(*entry.gauge, write_value);
    if (entry.histogram) {
      each(*entry.histogram, [&](const auto& names, const auto& values, const Histogram& series) {
        expose_histogram(out, name, names, values, series);
      });
    }
  }
  return out;
}

}  // namespace cloudless::metrics
