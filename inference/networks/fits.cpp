// The two small fits of evaluation: logistic recalibration and the linear discriminant.
#include "inference/networks/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace glionode::networks {

namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kZ = 1.959963984540054;

double Logit(double p) {
  const double held = std::clamp(p, 1e-9, 1 - 1e-9);
  return std::log(held / (1 - held));
}

/// Solves A x = b for a symmetric positive definite A (row-major, n x n) by Cholesky; false if A is not.
bool SolveCholesky(std::vector<double> a, std::vector<double>& b) {
  const std::size_t n = b.size();
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < j; ++k) a[j * n + j] -= a[j * n + k] * a[j * n + k];
    if (!(a[j * n + j] > 0)) return false;
    a[j * n + j] = std::sqrt(a[j * n + j]);
    for (std::size_t i = j + 1; i < n; ++i) {
      for (std::size_t k = 0; k < j; ++k) a[i * n + j] -= a[i * n + k] * a[j * n + k];
      a[i * n + j] /= a[j * n + j];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
  return true;
}

/// Direction of the discriminant learned from the cases for which `taught` is true.
std::vector<double> Direction(const std::vector<std::vector<double>>& features, const std::vector<bool>& necrosis,
                              const std::vector<bool>& taught) {
  const std::size_t size = features.front().size();
  std::vector<double> mean[2] = {std::vector<double>(size, 0), std::vector<double>(size, 0)};
  double count[2] = {0, 0};
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (!taught[i]) continue;
    const int c = necrosis[i] ? 1 : 0;
    ++count[c];
    for (std::size_t k = 0; k < size; ++k) mean[c][k] += features[i][k];
  }
  for (int c = 0; c < 2; ++c) {
    if (count[c] < 1) return {};
    for (double& value : mean[c]) value /= count[c];
  }
  std::vector<double> covariance(size * size, 0);
  for (std::size_t i = 0; i < features.size(); ++i) {
    if (!taught[i]) continue;
    const auto& centre = mean[necrosis[i] ? 1 : 0];
    for (std::size_t j = 0; j < size; ++j)
      for (std::size_t k = 0; k < size; ++k)
        covariance[j * size + k] += (features[i][j] - centre[j]) * (features[i][k] - centre[k]);
  }
  const double scale = std::max(1.0, count[0] + count[1] - 2);
  for (double& value : covariance) value /= scale;
  for (std::size_t j = 0; j < size; ++j) covariance[j * size + j] += 1e-3 * covariance[j * size + j] + 1e-12;
  std::vector<double> direction(size);
  for (std::size_t k = 0; k < size; ++k) direction[k] = mean[1][k] - mean[0][k];
  if (!SolveCholesky(std::move(covariance), direction)) return {};
  return direction;
}
}  // namespace

CalibrationFigures MeasureCalibration(const std::vector<ScoredCase>& cases) {
  CalibrationFigures figures;
  figures.slope = figures.intercept = {kNan, 0, 1};
  const auto events = std::count_if(cases.begin(), cases.end(), [](const auto& one) { return one.necrosis; });
  if (events == 0 || events == static_cast<std::ptrdiff_t>(cases.size())) return figures;
  // Newton's method for both models; the log likelihoods are concave.
  double a = 0, b = 1, inverse_haa = kNan;
  bool settled = false;
  for (int round = 0; round < 100 && !settled; ++round) {
    double ga = 0, gb = 0, haa = 0, hab = 0, hbb = 0;
    for (const auto& one : cases) {
      const double x = Logit(one.score), p = 1 / (1 + std::exp(-(a + b * x))), w = p * (1 - p);
      const double d = (one.necrosis ? 1 : 0) - p;
      ga += d, gb += d * x, haa += w, hab += w * x, hbb += w * x * x;
    }
    const double determinant = haa * hbb - hab * hab;
    if (!(determinant > 1e-12)) return figures;
    const double step_a = (hbb * ga - hab * gb) / determinant, step_b = (haa * gb - hab * ga) / determinant;
    a += std::clamp(step_a, -2.0, 2.0);
    b += std::clamp(step_b, -2.0, 2.0);
    inverse_haa = haa / determinant;  // variance of the slope
    settled = std::abs(step_a) + std::abs(step_b) < 1e-10;
  }
  if (!settled || !(std::abs(b) < 1e3)) return figures;
  const double error = std::sqrt(inverse_haa);
  figures.slope = {b, b - kZ * error, b + kZ * error};
  double shift = 0, information = 0;
  for (int round = 0; round < 100; ++round) {
    double gradient = 0;
    information = 0;
    for (const auto& one : cases) {
      const double p = 1 / (1 + std::exp(-(shift + Logit(one.score))));
      gradient += (one.necrosis ? 1 : 0) - p;
      information += p * (1 - p);
    }
    if (!(information > 1e-12)) return figures;
    const double step = std::clamp(gradient / information, -2.0, 2.0);
    shift += step;
    if (std::abs(step) < 1e-10) break;
  }
  const double spread = 1 / std::sqrt(information);
  figures.intercept = {shift, shift - kZ * spread, shift + kZ * spread};
  figures.defined = true;
  return figures;
}

std::vector<double> CrossFittedDiscriminant(const std::vector<std::vector<double>>& features,
                                            const std::vector<bool>& necrosis, int folds) {
  std::vector<double> scores(features.size(), kNan);
  if (features.empty() || folds < 2) return scores;
  for (int fold = 0; fold < folds; ++fold) {
    std::vector<bool> taught(features.size());
    for (std::size_t i = 0; i < features.size(); ++i)
      taught[i] = i % static_cast<std::size_t>(folds) != static_cast<std::size_t>(fold);
    const auto direction = Direction(features, necrosis, taught);
    if (direction.empty()) continue;
    for (std::size_t i = 0; i < features.size(); ++i) {
      if (taught[i]) continue;
      scores[i] = 0;
      for (std::size_t k = 0; k < direction.size(); ++k) scores[i] += direction[k] * features[i][k];
    }
  }
  return scores;
}

}  // namespace glionode::networks
