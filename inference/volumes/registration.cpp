#include "inference/volumes/registration.h"

#include "config/error.h"
#include "inference/volumes/head_mask.h"
#include "inference/volumes/itk_image.h"
#include "inference/volumes/local_agreement.h"

#include <itkEuler3DTransform.h>
#include <itkMattesMutualInformationImageToImageMetricv4.h>
#include <itkRegularStepGradientDescentOptimizerv4.h>

#include <cmath>

namespace glionode::volumes {
namespace {

using Metric = itk::MattesMutualInformationImageToImageMetricv4<ItkImage, ItkImage>;
using Optimizer = itk::RegularStepGradientDescentOptimizerv4<double>;
using Transform = itk::Euler3DTransform<double>;

/// In-plane resolution of the two levels, mm; slices are used as they are. The step shrinks by `relaxation` whenever
/// the gradient turns round. The metric of two series of one head is a narrow valley, in which it turns round often. Of
/// 680 registrations of drawn phantoms, 2 came to rest 2 and 8 mm off at 0.6; at these values none is off by 0.4 mm.
struct Level {
  double resolution_mm;
  std::size_t samples;
  double first_step_mm, last_step_mm, relaxation;
  int iterations;
};
constexpr Level kLevels[] = {{4.0, 6000, 4.0, 0.05, 0.85, 200}, {2.0, 15000, 1.0, 0.0005, 0.75, 150}};
/// Mean distance of head voxels from the middle: makes a radian worth about as much as that many mm to the optimiser.
constexpr double kHeadRadius = 65.0;
/// Starts at the heads' middles are tried only when scanner coordinates are off by more than this.
constexpr double kFarApartMm = 15.0;

/// A fixed pseudo-random number in [-0.5, 0.5) for each (point, axis): jitter breaks the lattice that would otherwise
/// make the metric favour whole-voxel shifts, and is the same in every run.
double Jitter(std::uint64_t i) {
  i += 0x9e3779b97f4a7c15ULL;
  i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9ULL;
  i = (i ^ (i >> 27)) * 0x94d049bb133111ebULL;
  return static_cast<double>((i ^ (i >> 31)) >> 11) * 0x1.0p-53 - 0.5;
}

/// About `wanted` points in and closely around the head.
Metric::FixedSampledPointSetType::Pointer SamplePoints(const Head& head, const Volume& fixed, std::size_t wanted) {
  Mask mask = head.mask;
  Dilate(mask, head.grid.size, 2);  // 8 mm of air: the outline of the head is information
  std::vector<std::size_t> candidates;
  for (std::size_t i = 0; i < mask.size(); ++i)
    if (mask[i]) candidates.push_back(i);
  auto points = Metric::FixedSampledPointSetType::New();
  points->Initialize();
  const double stride = std::max(1.0, static_cast<double>(candidates.size()) / static_cast<double>(wanted));
  const auto& size = head.grid.size;
  itk::IdentifierType id = 0;
  for (double next = 0; next < static_cast<double>(candidates.size()); next += stride) {
    const std::size_t at = candidates[static_cast<std::size_t>(next)];
    const auto x = static_cast<double>(at % static_cast<std::size_t>(size[0]));
    const auto y = static_cast<double>(at / static_cast<std::size_t>(size[0]) % static_cast<std::size_t>(size[1]));
    const auto z = static_cast<double>(at / (static_cast<std::size_t>(size[0]) * static_cast<std::size_t>(size[1])));
    const Vec3 p = head.grid.Point(x + Jitter(3 * at), y + Jitter(3 * at + 1), z + Jitter(3 * at + 2));
    const Vec3 index = IndexOf(fixed, p);
    bool inside = true;
    for (std::size_t i = 0; i < 3; ++i) inside = inside && index[i] > 0 && index[i] < fixed.size[i] - 1;
    if (!inside) continue;
    Metric::FixedSampledPointSetType::PointType point;
    for (unsigned i = 0; i < 3; ++i) point[i] = p[i];
    points->SetPoint(id++, point);
  }
  return points;
}

struct Match {
  Metric::Pointer metric;
  Transform::Pointer transform;
};

Match MakeMatch(const Volume& fixed, const Volume& moving, const Head& head, const Vec3& centre, std::size_t samples) {
  Match match;
  match.transform = Transform::New();
  Transform::InputPointType c;
  for (unsigned i = 0; i < 3; ++i) c[i] = centre[i];
  match.transform->SetIdentity();
  match.transform->SetCenter(c);
  match.metric = Metric::New();
  auto fixed_image = ToItk(fixed);
  match.metric->SetFixedImage(fixed_image);
  match.metric->SetMovingImage(ToItk(moving));
  match.metric->SetVirtualDomainFromImage(fixed_image);
  match.metric->SetMovingTransform(match.transform);
  match.metric->SetNumberOfHistogramBins(32);
  // Central differences where they are needed, not a filtered gradient of the whole volume.
  match.metric->SetUseMovingImageGradientFilter(false);
  match.metric->SetUseFixedImageGradientFilter(false);
  match.metric->SetUseSampledPointSet(true);
  match.metric->SetFixedSampledPointSet(SamplePoints(head, fixed, samples));
  match.metric->SetMaximumNumberOfWorkUnits(1);
  match.metric->Initialize();
  return match;
}

void SetTransform(Transform& to, const RigidTransform& from) {
  Transform::ParametersType p(6);
  for (unsigned i = 0; i < 3; ++i) p[i] = from.angles[i], p[3 + i] = from.translation[i];
  to.SetParameters(p);
}

RigidTransform GetTransform(const Transform& from) {
  RigidTransform to;
  const auto p = from.GetParameters();
  const auto c = from.GetCenter();
  for (unsigned i = 0; i < 3; ++i) to.angles[i] = p[i], to.translation[i] = p[3 + i], to.centre[i] = c[i];
  return to;
}

/// Mattes metric of a transform; 0 (no information) where too few points overlap for ITK to say.
double Value(const Match& match, const RigidTransform& transform) {
  SetTransform(*match.transform, transform);
  try {
    return match.metric->GetValue();
  } catch (const itk::ExceptionObject&) {
    return 0;
  }
}

RigidTransform Optimise(const Match& match, const RigidTransform& start, const Level& level) {
  SetTransform(*match.transform, start);
  auto optimizer = Optimizer::New();
  Optimizer::ScalesType scales(6);
  for (unsigned i = 0; i < 3; ++i) scales[i] = kHeadRadius * kHeadRadius, scales[3 + i] = 1;
  optimizer->SetScales(scales);
  optimizer->SetDoEstimateLearningRateOnce(false);
  optimizer->SetDoEstimateLearningRateAtEachIteration(false);
  optimizer->SetMetric(match.metric);
  optimizer->SetLearningRate(level.first_step_mm);
  optimizer->SetMinimumStepLength(level.last_step_mm);
  optimizer->SetRelaxationFactor(level.relaxation);
  optimizer->SetGradientMagnitudeTolerance(1e-8);
  optimizer->SetNumberOfIterations(static_cast<itk::SizeValueType>(level.iterations));
  optimizer->SetNumberOfWorkUnits(1);
  optimizer->StartOptimization();
  return GetTransform(*match.transform);
}

/// Share of the fixed head that the moving volume covers.
double Overlap(const Head& head, const Volume& moving, const RigidTransform& transform) {
  std::size_t hit = 0, total = 0;
  Mask inside;
  SampleGrid(moving, transform, head.grid, &inside);
  for (std::size_t i = 0; i < head.mask.size(); ++i)
    if (head.mask[i]) ++total, hit += inside[i];
  return total ? static_cast<double>(hit) / static_cast<double>(total) : 0;
}

/// Believable: what a person does between two series of one examination, and how much of the head both must show.
/// Turning 30 degrees inside a head coil, or moving 60 mm, means another patient position or a failed search.
/// Below 60 % overlap most of what the network sees would be padding.
constexpr double kMaxAngle = 30.0 * 3.14159265358979323846 / 180.0;
constexpr double kMaxShiftMm = 60.0;
constexpr double kMinOverlap = 0.6;
/// Mattes metric (minus mutual information, nats) in and around the head. Measured: T1 and T2 of a real study against
/// its T1ce -0.77 and -0.53, phantoms -0.75 to -1.3; a phantom's T2 against the real T1ce -0.24 to -0.33. T2 of another
/// phantom -0.24 to -0.71: outline and ventricles of two heads of one family can be aligned, which LocalAgreement sees.
constexpr double kMaxMetric = -0.35;

}  // namespace

Registration RegisterRigid(const Volume& fixed, const Volume& moving) {
  UseOneItkThread();
  try {
    Registration result;
    const Head fixed_head = FindHead(fixed), moving_head = FindHead(moving);
    if (fixed_head.volume_ml <= 0 || moving_head.volume_ml <= 0) {
      result.plausible = false;
      return result;
    }
    const Volume fixed_fine = Reduce(fixed, kLevels[1].resolution_mm),
                 moving_fine = Reduce(moving, kLevels[1].resolution_mm);
    RigidTransform identity;
    identity.centre = fixed_head.centre;
    identity = Rounded(identity);
    RigidTransform found = identity;
    {
      const Match coarse =
          MakeMatch(Reduce(fixed_fine, kLevels[0].resolution_mm), Reduce(moving_fine, kLevels[0].resolution_mm),
                    fixed_head, identity.centre, kLevels[0].samples);
      RigidTransform centred = identity;
      double apart = 0;
      for (std::size_t i = 0; i < 3; ++i) {
        centred.translation[i] = moving_head.centre[i] - fixed_head.centre[i];
        apart += centred.translation[i] * centred.translation[i];
      }
      if (std::sqrt(apart) > kFarApartMm && Value(coarse, centred) < Value(coarse, identity)) found = centred;
      found = Optimise(coarse, found, kLevels[0]);
    }
    const Match fine = MakeMatch(fixed_fine, moving_fine, fixed_head, identity.centre, kLevels[1].samples);
    result.metric_before = Value(fine, identity);
    found = Rounded(Optimise(fine, found, kLevels[1]));
    result.metric_after = Value(fine, found);
    result.kept = result.metric_after < result.metric_before;
    result.transform = result.kept ? found : identity;
    const auto& t = result.transform;
    const double shift = std::sqrt(t.translation[0] * t.translation[0] + t.translation[1] * t.translation[1] +
                                   t.translation[2] * t.translation[2]);
    const Mat3 r = RotationMatrix(t.angles);
    const double angle = std::acos(std::clamp(0.5 * (r[0] + r[4] + r[8] - 1), -1.0, 1.0));
    result.agreement = LocalAgreement(fixed_fine, moving_fine, result.transform, fixed_head);
    result.plausible =
        shift <= kMaxShiftMm && angle <= kMaxAngle && Overlap(fixed_head, moving, result.transform) >= kMinOverlap &&
        std::min(result.metric_after, result.metric_before) <= kMaxMetric && result.agreement >= kSameHead;
    return result;
  } catch (const itk::ExceptionObject& e) {
    throw Error(ErrorCode::kInternal, std::string("ITK registration failed: ") + e.GetDescription());
  }
}

}  // namespace glionode::volumes
