#include "inference/networks/domain.h"

#include "config/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace glionode::networks {

namespace {
using Json = nlohmann::ordered_json;
constexpr std::int64_t kMostComponents = 32;
/// Share of the diagonal in the covariance of the input's statistics: neighbouring quantiles are nearly the same
/// number.
constexpr double kShrinkage = 0.05;
constexpr const char* kLengthNames[] = {"within", "outside", "input"};

torch::Tensor Rows(const std::vector<CaseLook>& looks, std::vector<double> CaseLook::*part) {
  std::vector<torch::Tensor> rows;
  for (const auto& look : looks) rows.push_back(torch::tensor(look.*part, torch::kDouble));
  return torch::stack(rows);
}

/// Deviation of each column; 1 where there is none, so that a constant column says nothing until it changes.
torch::Tensor Deviations(const torch::Tensor& rows) {
  const auto deviation = rows.std(0);
  return torch::where(deviation > 1e-9, deviation, torch::ones_like(deviation));
}

struct Eigen {
  torch::Tensor values, vectors;  ///< ascending; vectors in columns
};
Eigen Eigenvectors(const torch::Tensor& covariance) {
  auto [values, vectors] = torch::linalg_eigh(covariance, "L");
  return {values.clamp_min(0), vectors};
}

torch::Tensor Covariance(const torch::Tensor& centred) {
  return centred.t().mm(centred) / static_cast<double>(centred.size(0) - 1);
}

/// What is stored is what is used: rounded to float at once.
torch::Tensor AsStored(const torch::Tensor& tensor) { return tensor.to(torch::kFloat).to(torch::kDouble).contiguous(); }

double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(std::llround(share * static_cast<double>(values.size() - 1)))];
}

SafeTensor ToSafe(const torch::Tensor& tensor) {
  const auto dense = tensor.to(torch::kFloat).contiguous();
  return {dense.sizes().vec(), {dense.data_ptr<float>(), dense.data_ptr<float>() + dense.numel()}, false};
}
}  // namespace

std::vector<double> PooledFeatures(const torch::Tensor& pooled) {
  const auto values = pooled[0].to(torch::kCPU, torch::kDouble).contiguous();
  return {values.data_ptr<double>(), values.data_ptr<double>() + values.numel()};
}

Domain::Domain(const std::vector<CaseLook>& taught) : taught_(taught.size()) {
  if (taught_ < kLeastCases) return;
  torch::NoGradGuard no_grad;
  const auto features = Rows(taught, &CaseLook::features);
  middle_ = AsStored(features.mean(0));
  unit_ = AsStored(Deviations(features));
  const auto centred = (features - middle_) / unit_;
  const auto eigen = Eigenvectors(Covariance(centred));
  const auto kept = std::min({kMostComponents, features.size(1), static_cast<std::int64_t>(taught_ / 5)});
  components_ = AsStored(eigen.vectors.narrow(1, features.size(1) - kept, kept).t());
  deviation_ = AsStored(eigen.values.narrow(0, features.size(1) - kept, kept).sqrt().clamp_min(1e-6));

  const auto input = Rows(taught, &CaseLook::input);
  input_middle_ = AsStored(input.mean(0));
  input_unit_ = AsStored(Deviations(input));
  const auto covariance = Covariance((input - input_middle_) / input_unit_);
  const auto shrunk = (1 - kShrinkage) * covariance + kShrinkage * torch::eye(input.size(1), torch::kDouble);
  const auto own = Eigenvectors(shrunk);
  input_factor_ = AsStored(own.vectors.t() / own.values.clamp_min(1e-9).sqrt().unsqueeze(1));
}

bool Domain::Fits(std::int64_t features, const std::vector<std::string>& channels) const {
  return !HasLimit() || (middle_.numel() == features &&
                         static_cast<std::size_t>(input_middle_.numel()) == InputStatisticNames(channels).size());
}

DomainLengths Domain::Lengths(const CaseLook& look) const {
  if (!middle_.defined()) throw Error(ErrorCode::kInternal, "domain: too few cases to measure with");
  torch::NoGradGuard no_grad;
  const auto x = (torch::tensor(look.features, torch::kDouble) - middle_) / unit_;
  const auto along = components_.mv(x);
  const auto rest = x - components_.t().mv(along);
  const auto input = input_factor_.mv((torch::tensor(look.input, torch::kDouble) - input_middle_) / input_unit_);
  return {(along / deviation_).norm().item<double>(), rest.norm().item<double>(), input.norm().item<double>()};
}

std::array<double, 3> Domain::Scaled(const DomainLengths& lengths) const {
  std::array<double, 3> scaled{};
  for (std::size_t i = 0; i < 3; ++i) scaled[i] = (lengths[i] - typical_[i]) / spread_[i];
  return scaled;
}

void Domain::SetLimit(const std::vector<DomainLengths>& judged) {
  judged_ = judged.size();
  if (taught_ < kLeastCases || judged_ < kLeastCases) return;
  for (std::size_t i = 0; i < 3; ++i) {
    std::vector<double> values;
    for (const auto& lengths : judged) values.push_back(lengths[i]);
    typical_[i] = Quantile(values, 0.5);
    spread_[i] = std::max(1e-9, Quantile(values, 0.95) - typical_[i]);
  }
  std::vector<double> largest;
  for (const auto& lengths : judged) {
    const auto scaled = Scaled(lengths);
    largest.push_back(*std::max_element(scaled.begin(), scaled.end()));
  }
  std::sort(largest.begin(), largest.end());
  // Conformal: the ceil((n+1)(1-a))-th smallest; with few cases that would be none, then the largest.
  const auto rank = static_cast<std::size_t>(std::ceil(static_cast<double>(judged_ + 1) * (1 - kRefusedShare)));
  limit_ = std::max(1e-6, largest[std::min(rank, judged_) - 1]);
}

DomainVerdict Domain::Judge(const CaseLook& look, const std::vector<std::string>& channels) const {
  DomainVerdict verdict;
  if (!HasLimit()) return verdict;
  const auto scaled = Scaled(Lengths(look));
  const auto largest = std::max_element(scaled.begin(), scaled.end());
  // What cannot be measured is not inside.
  verdict.distance = std::isfinite(scaled[0] + scaled[1] + scaled[2]) ? std::max(0.0, *largest / limit_) : 1e9;
  verdict.most = "what the network makes of them";
  if (largest - scaled.begin() == 2) {
    const auto names = InputStatisticNames(channels);
    const auto off = ((torch::tensor(look.input, torch::kDouble) - input_middle_) / input_unit_).abs();
    verdict.most = names.at(static_cast<std::size_t>(off.argmax().item<std::int64_t>()));
  }
  return verdict;
}

std::map<std::string, SafeTensor> Domain::Tensors() const {
  if (!HasLimit()) return {};
  const std::string prefix = kTensorPrefix;
  return {{prefix + "features.middle", ToSafe(middle_)},         {prefix + "features.unit", ToSafe(unit_)},
          {prefix + "features.components", ToSafe(components_)}, {prefix + "features.deviation", ToSafe(deviation_)},
          {prefix + "input.middle", ToSafe(input_middle_)},      {prefix + "input.unit", ToSafe(input_unit_)},
          {prefix + "input.factor", ToSafe(input_factor_)}};
}

std::string Domain::Figures() const {
  if (!HasLimit()) return "{}";
  Json json = {
      {"method",
       "largest of three lengths: Mahalanobis within principal components of the pooled features, rest outside "
       "of them, whitened statistics of the input; limit: conformal, from cases not learned from"},
      {"refused_share", kRefusedShare},
      {"cases", {{"taught", taught_}, {"judged", judged_}}},
      {"components", components_.size(0)},
      {"limit", limit_}};
  for (std::size_t i = 0; i < 3; ++i) json[kLengthNames[i]] = {{"typical", typical_[i]}, {"spread", spread_[i]}};
  return json.dump();
}

Domain Domain::Take(std::map<std::string, SafeTensor>& tensors, const std::string& text, const std::string& name) {
  std::map<std::string, torch::Tensor> own;
  for (auto item = tensors.begin(); item != tensors.end();) {
    if (!item->first.starts_with(kTensorPrefix)) {
      ++item;
      continue;
    }
    own[item->first.substr(std::string(kTensorPrefix).size())] =
        torch::tensor(item->second.values).view(item->second.shape).to(torch::kDouble);
    item = tensors.erase(item);
  }
  const auto refuse = [&](const std::string& reason) {
    throw Error(ErrorCode::kBadDataset, name + ": domain_statistics: " + reason);
  };
  const Json json = text.empty() ? Json::object() : Json::parse(text, nullptr, false);
  if (!json.is_object()) refuse("must be an object");
  Domain domain;
  if (json.empty()) {
    if (!own.empty()) refuse("is missing, though the weights hold its tensors");
    return domain;
  }
  try {
    domain.middle_ = own.at("features.middle"), domain.unit_ = own.at("features.unit");
    domain.components_ = own.at("features.components"), domain.deviation_ = own.at("features.deviation");
    domain.input_middle_ = own.at("input.middle"), domain.input_unit_ = own.at("input.unit");
    domain.input_factor_ = own.at("input.factor");
    domain.limit_ = json.at("limit");
    domain.taught_ = json.at("cases").at("taught"), domain.judged_ = json.at("cases").at("judged");
    for (std::size_t i = 0; i < 3; ++i) {
      domain.typical_[i] = json.at(kLengthNames[i]).at("typical");
      domain.spread_[i] = json.at(kLengthNames[i]).at("spread");
      if (!(domain.spread_[i] > 0)) refuse(std::string(kLengthNames[i]) + ".spread must be above 0");
    }
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    refuse(std::string("is not complete (") + error.what() + ")");
  }
  if (!(domain.limit_ > 0)) refuse("limit must be above 0");
  const auto d = domain.middle_.numel(), m = domain.input_middle_.numel(), k = domain.deviation_.numel();
  const auto is = [](const torch::Tensor& tensor, std::vector<std::int64_t> shape) {
    return tensor.sizes().vec() == shape;
  };
  if (!is(domain.middle_, {d}) || !is(domain.unit_, {d}) || !is(domain.components_, {k, d}) ||
      !is(domain.deviation_, {k}) || !is(domain.input_middle_, {m}) || !is(domain.input_unit_, {m}) ||
      !is(domain.input_factor_, {m, m}))
    refuse("the shapes of its tensors do not fit together");
  if (domain.unit_.min().item<double>() <= 0 || domain.deviation_.min().item<double>() <= 0 ||
      domain.input_unit_.min().item<double>() <= 0)
    refuse("a deviation is not above 0");
  return domain;
}

}  // namespace glionode::networks
