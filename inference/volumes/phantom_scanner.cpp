#include "inference/volumes/phantom_scanner.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace glionode::volumes {
namespace {

constexpr double kDegree = 3.14159265358979323846 / 180;

/// Spin echo (after an inversion, its magnitude), or spoiled gradient echo for 3D.
double Signal(const Protocol& p, double t1, double t2, double density, double agent) {
  const Relaxivity relaxivity = RelaxivityOf(p.field);
  const double r1 = 1 / t1 + relaxivity.r1 * agent, r2 = 1 / t2 + relaxivity.r2 * agent;
  const double e1 = std::exp(-p.tr / 1000 * r1), decay = std::exp(-p.te / 1000 * r2);
  if (p.inversion > 0) return density * std::abs(1 - 2 * std::exp(-p.inversion / 1000 * r1) + e1) * decay;
  if (!p.is_3d || p.role == Role::kT2) return density * (1 - e1) * decay;
  const double angle = p.flip * kDegree;
  return density * std::sin(angle) * (1 - e1) / (1 - std::cos(angle) * e1) * decay;
}

Painter::Signals MakeSignals(const Protocol& p, const Lesion& lesion) {
  const bool injected = p.role == Role::kT1ce;
  const auto signal = [&p](Tissue tissue, double t2, double agent) {
    const TissueProperties t = PropertiesOf(tissue, p.field);
    const double kept = std::exp(-p.b_value * t.diffusion / 1000);  // exactly 1 without gradients
    return static_cast<float>(Signal(p, t.t1, t2 > 0 ? t2 : t.t2, t.density, agent) * kept);
  };
  Painter::Signals s;
  for (std::size_t i = 0; i < kTissues; ++i) {
    const auto tissue = static_cast<Tissue>(i);
    s.tissue[i] = signal(tissue, 0, injected ? PropertiesOf(tissue, p.field).agent : 0);
  }
  for (std::size_t i = 0; i < Painter::kAgentSteps; ++i) {
    const double agent = injected ? static_cast<double>(i) * Painter::kAgentStep : 0;
    s.tumour[i] = signal(kTumour, 0, agent);
    s.core[i] = signal(kCore, lesion.core_t2, agent);
  }
  return s;
}

std::string Number(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// How sites name the three series; contrast is said by the name and by ContrastBolusAgent.
struct Site {
  const char *manufacturer, *t1, *t2, *t1ce, *t1_3d, *t1ce_3d, *localizer, *flair, *diffusion;
};
constexpr Site kSites[] = {
    {"Synthetic A", "t1_se_tra", "t2_tse_tra", "t1_se_tra_km", "t1_fl3d_tra_iso", "t1_fl3d_tra_iso_km", "localizer",
     "t2_tirm_tra_dark-fluid", "ep2d_diff_3scan_trace_TRACEW"},
    {"Synthetic B", "T1 AX", "T2 AX FSE", "T1 AX +C", "AX 3D T1 SPGR", "AX 3D T1 SPGR +C", "3-PL LOC", "AX T2 FLAIR",
     "DWI AX b1000"},
    {"Synthetic C", "T1W_SE", "T2W_TSE", "T1W_SE_GD", "T1W_3D_FFE", "T1W_3D_FFE_GD", "Survey", "FLAIR_longTR",
     "DWI_SSh"},
    {"Synthetic D", "T1 SE ax", "T2 TSE ax", "T1 SE ax post Gd", "T1 3D GRE ax", "T1 3D GRE ax post Gd", "scout",
     "FLAIR ax", "DWI trace"},
};

RigidTransform Inverse(const RigidTransform& t) {
  // Only used about the origin: p = R^-1 (q - translation). Angles of the inverse rotation, read back from its matrix
  // (Rz Rx Ry).
  const Mat3 r = RotationMatrix(t.angles);
  const Mat3 i{r[0], r[3], r[6], r[1], r[4], r[7], r[2], r[5], r[8]};
  RigidTransform out;
  out.angles = {std::asin(std::clamp(i[7], -1.0, 1.0)), std::atan2(-i[6], i[8]), std::atan2(-i[1], i[4])};
  const Vec3 m = Multiply(i, t.translation);
  out.translation = {-m[0], -m[1], -m[2]};
  return out;
}

double Clipped(PhantomStream& random, double deviation, double limit) {
  return std::clamp(random.Normal() * deviation, -limit, limit);
}

}  // namespace

std::map<Role, Protocol> MakeProtocols(std::uint64_t seed, int index) {
  PhantomStream scanner(seed, index, kScannerStream), motion(seed, index, kMotionStream);
  const Site& site = kSites[scanner.Choice(4)];
  const double field = scanner.Uniform() < 0.6 ? 1.5 : 3.0;
  const bool has_3d = scanner.Uniform() < 0.05;  // rarely: such a study has 30 MB
  // The patient lies a little turned and off the middle; the stacks are tilted as technicians tilt them.
  RigidTransform pose;  // head space to patient system
  pose.angles = {Clipped(motion, 3, 8) * kDegree, Clipped(motion, 2, 5) * kDegree, Clipped(motion, 3, 8) * kDegree};
  pose.translation = {Clipped(motion, 3, 6), Clipped(motion, 4, 8), Clipped(motion, 5, 10)};
  RigidTransform stack;
  stack.angles = {scanner.Uniform(-4, 14) * kDegree, Clipped(scanner, 1.5, 4) * kDegree,
                  Clipped(scanner, 1.5, 4) * kDegree};

  const double slice = scanner.Uniform() < 0.5 ? 5.0 : 5.5;
  const double gap = scanner.Choice(3) * 0.25;
  const int matrices[] = {192, 208, 224, 256};
  // Twice the field gives more signal than the shorter read-out of its scanners loses.
  const double noise = scanner.Uniform(0.02, 0.05) * (field > 2 ? 0.7 : 1.0);
  std::map<Role, Protocol> protocols;
  int number = 2;
  for (Role role : {Role::kT2, Role::kT1, Role::kT1ce}) {
    Protocol p;
    p.role = role;
    p.field = field;
    const bool injected = role == Role::kT1ce;
    p.is_3d = has_3d && role != Role::kT2;
    const int matrix = matrices[scanner.Choice(4)];
    const double fov = scanner.Uniform(220, 240);
    if (p.is_3d) {
      p.size = {176, 208, 124};
      p.spacing = {1.2, 1.2, 1.2};
      p.thickness = 1.2;
    } else {
      p.spacing = {fov / matrix, fov / matrix, slice + gap};
      p.size = {matrix, matrix, static_cast<int>(std::ceil(146 / p.spacing[2]))};
      p.thickness = slice;
    }
    if (role == Role::kT2) {
      p.tr = std::round(scanner.Uniform(3500, 5500) / 10) * 10, p.te = std::round(scanner.Uniform(88, 112));
    } else if (p.is_3d) {
      p.tr = scanner.Uniform(9, 14), p.te = scanner.Uniform(3, 5), p.flip = std::round(scanner.Uniform(18, 26));
    } else {
      p.tr = std::round(scanner.Uniform(450, 620) * (field > 2 ? 1.15 : 1.0)),
      p.te = std::round(scanner.Uniform(8, 14));
    }
    p.noise = noise * scanner.Uniform(0.85, 1.15);
    p.brightness = scanner.Uniform(250, 600) * (role == Role::kT2 ? 0.5 : 1.0);
    const double uneven = field > 2 ? 0.16 : 0.09;
    for (double& b : p.bias) b = Clipped(scanner, uneven, 2.5 * uneven);

    RigidTransform moved = pose;  // up to 3 mm and 3 degrees from the common pose
    for (std::size_t i = 0; i < 3; ++i) {
      moved.angles[i] += Clipped(motion, 0.9, 3) * kDegree;
      moved.translation[i] += Clipped(motion, 0.9, 3);
    }
    p.head = Inverse(moved);
    p.slices = stack;
    p.slices.translation = {pose.translation[0] + scanner.Uniform(-4, 4), pose.translation[1] + scanner.Uniform(-4, 4),
                            pose.translation[2] + 8 + scanner.Uniform(-3, 3)};

    auto& a = p.attributes;
    a["SeriesDescription"] = role == Role::kT2 ? site.t2
                             : injected        ? (p.is_3d ? site.t1ce_3d : site.t1ce)
                                               : (p.is_3d ? site.t1_3d : site.t1);
    a["ProtocolName"] = a["SeriesDescription"];
    a["SeriesNumber"] = std::to_string(number);
    a["Manufacturer"] = site.manufacturer;
    a["ManufacturerModelName"] = "glionode phantom";
    a["MagneticFieldStrength"] = Number(field, 1);
    a["ImageType"] = "ORIGINAL\\PRIMARY\\M\\ND";
    a["BodyPartExamined"] = "HEAD";
    a["PatientPosition"] = "HFS";
    a["ScanningSequence"] = p.is_3d ? "GR" : "SE";
    a["SequenceVariant"] = p.is_3d ? "SP" : role == Role::kT2 ? "SK" : "NONE";
    a["MRAcquisitionType"] = p.is_3d ? "3D" : "2D";
    a["RepetitionTime"] = Number(p.tr, 1);
    a["EchoTime"] = Number(p.te, 1);
    a["FlipAngle"] = Number(p.flip, 0);
    a["EchoTrainLength"] = role == Role::kT2 ? "13" : "1";
    a["SliceThickness"] = Number(p.thickness, 2);
    a["SpacingBetweenSlices"] = Number(p.spacing[2], 2);
    if (injected) {
      a["ContrastBolusAgent"] = "Gd-DTPA";
      a["ContrastBolusRoute"] = "IV";
    }
    a["SeriesTime"] = "0911" + std::to_string(10 + number);
    if (injected) a["SeriesTime"] = "093215";
    a["AcquisitionTime"] = a["SeriesTime"];
    number += role == Role::kT1 ? 4 : 1;
    protocols[role] = p;
  }
  return protocols;
}

std::vector<DistractorProtocol> MakeDistractors(const std::map<Role, Protocol>& protocols) {
  const auto site = std::find_if(std::begin(kSites), std::end(kSites), [&](const Site& one) {
    return protocols.at(Role::kT2).attributes.at("Manufacturer") == one.manufacturer;
  });
  const auto resize = [](Protocol& p, int matrix, int slices, double thickness, double spacing) {
    const double fov = p.size[0] * p.spacing[0];
    p.size = {matrix, matrix, slices};
    p.spacing = {fov / matrix, fov / matrix, spacing};
    p.thickness = thickness;
    p.attributes["SliceThickness"] = Number(thickness, 2);
    p.attributes["SpacingBetweenSlices"] = Number(spacing, 2);
  };
  const auto name = [](Protocol& p, const char* description, int number, int noise_stream) {
    p.attributes["SeriesDescription"] = p.attributes["ProtocolName"] = description;
    p.attributes["SeriesNumber"] = std::to_string(number);
    p.attributes["SeriesTime"] = p.attributes["AcquisitionTime"] = "0909" + std::to_string(10 + number);
    p.noise_stream = noise_stream;
  };
  const Protocol& t2 = protocols.at(Role::kT2);
  Protocol localizer = t2, flair = t2, diffusion = t2;
  resize(localizer, 128, 3, 8, 30);
  name(localizer, site->localizer, 1, 8);
  localizer.attributes["ImageType"] = "ORIGINAL\\PRIMARY\\LOCALIZER\\ND";
  flair.inversion = kLiquorNull;
  flair.tr = 9000;
  name(flair, site->flair, 10, 9);
  flair.attributes["ScanningSequence"] = "SE\\IR";
  flair.attributes["RepetitionTime"] = Number(flair.tr, 1);
  flair.attributes["InversionTime"] = Number(flair.inversion, 1);
  resize(diffusion, 128, t2.size[2], t2.thickness, t2.spacing[2]);
  name(diffusion, site->diffusion, 11, 10);
  diffusion.b_value = 1000;
  diffusion.attributes["DiffusionBValue"] = Number(diffusion.b_value, 0);
  diffusion.attributes["ScanningSequence"] = "EP";
  diffusion.attributes["ImageType"] = "DERIVED\\PRIMARY\\DIFFUSION\\TRACEW\\ND";
  return {{"localizer", localizer}, {"flair", flair}, {"diffusion", diffusion}};
}

Volume Render(const Anatomy& anatomy, const Protocol& p, std::uint64_t seed, int index) {
  Volume v;
  v.size = p.size;
  v.spacing = p.spacing;
  v.direction = RotationMatrix(p.slices.angles);
  const Vec3 corner{-0.5 * (p.size[0] - 1) * p.spacing[0], -0.5 * (p.size[1] - 1) * p.spacing[1],
                    -0.5 * (p.size[2] - 1) * p.spacing[2]};
  v.origin = Apply(p.slices, corner);
  v.voxels.resize(v.Count());

  const auto signals = MakeSignals(p, anatomy.lesion);
  const Painter painter(anatomy, signals, 0.5 * (p.spacing[0] + p.spacing[1]) + 0.2);
  const float scale = static_cast<float>(p.brightness) / signals.tissue[kWhite];
  const float sigma = static_cast<float>(p.brightness * p.noise);

  // Gaussian numbers by table, entered at random: the noise of millions of voxels.
  PhantomStream random(
      seed, index,
      kNoiseStream * 16 + static_cast<std::uint64_t>(p.noise_stream < 0 ? static_cast<int>(p.role) : p.noise_stream));
  constexpr std::size_t kTable = 1U << 15;
  std::vector<float> gauss(kTable);
  for (float& g : gauss) g = static_cast<float>(random.Normal());

  const int parts = p.is_3d ? 1 : 3;  // points through the slice: partial volume
  const auto head_at = [&](double x, double y, double z) { return Apply(p.head, PointOf(v, {x, y, z})); };
  const Vec3 base = head_at(0, 0, 0);
  std::array<Vec3, 3> step{};
  for (std::size_t a = 0; a < 3; ++a) {
    const Vec3 next = head_at(a == 0, a == 1, a == 2);
    for (std::size_t i = 0; i < 3; ++i) step[a][i] = next[i] - base[i];
  }
  std::size_t at = 0;
  for (int z = 0; z < v.size[2]; ++z)
    for (int y = 0; y < v.size[1]; ++y) {
      std::uint64_t bits = 0;
      for (int x = 0; x < v.size[0]; ++x, ++at) {
        float h[3];
        for (std::size_t i = 0; i < 3; ++i)
          h[i] = static_cast<float>(base[i] + x * step[0][i] + y * step[1][i] + z * step[2][i]);
        float value = 0;
        if (painter.MayHoldHead(h[0], h[1], h[2])) {
          for (int part = 0; part < parts; ++part) {
            const auto off = static_cast<float>((part - 0.5 * (parts - 1)) / parts * p.thickness / p.spacing[2]);
            value +=
                painter.At(h[0] + off * static_cast<float>(step[2][0]), h[1] + off * static_cast<float>(step[2][1]),
                           h[2] + off * static_cast<float>(step[2][2]));
          }
          const float u = 2.0F * static_cast<float>(x) / static_cast<float>(v.size[0]) - 1,
                      w = 2.0F * static_cast<float>(y) / static_cast<float>(v.size[1]) - 1, q = h[2] / 80;
          float b[9];
          for (std::size_t i = 0; i < 9; ++i) b[i] = static_cast<float>(p.bias[i]);
          const float field = b[0] * u + b[1] * w + b[2] * q + b[3] * u * u + b[4] * w * w + b[5] * q * q +
                              b[6] * u * w + b[7] * u * q + b[8] * w * q;
          // 1 + f + f^2/2 instead of exp: positive, smooth, quick
          value *= scale / static_cast<float>(parts) * (1 + field + 0.5F * field * field);
        }
        if ((x & 1) == 0) bits = random.Bits();
        const float real = value + sigma * gauss[bits & (kTable - 1)],
                    imaginary = sigma * gauss[bits >> 15 & (kTable - 1)];
        bits >>= 30;
        v.voxels[at] =
            static_cast<float>(std::min(4095, static_cast<int>(std::sqrt(real * real + imaginary * imaginary) + 0.5F)));
      }
    }
  return v;
}

}  // namespace glionode::volumes
