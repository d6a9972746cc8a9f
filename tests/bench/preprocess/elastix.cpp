#include "tests/bench/preprocess/elastix.h"

#include "config/error.h"

#include <cstdio>
#include <fstream>
#include <sstream>

namespace glionode::bench {
namespace {

namespace fs = std::filesystem;

/// What elastix proposes for "rigid" (its manual, and the default parameter map of its library).
constexpr const char* kParameters = R"((FixedInternalImagePixelType "float")
(MovingInternalImagePixelType "float")
(UseDirectionCosines "true")
(Registration "MultiResolutionRegistration")
(NumberOfResolutions 4)
(FixedImagePyramid "FixedSmoothingImagePyramid")
(MovingImagePyramid "MovingSmoothingImagePyramid")
(Interpolator "LinearInterpolator")
(ResampleInterpolator "FinalBSplineInterpolator")
(Resampler "DefaultResampler")
(Metric "AdvancedMattesMutualInformation")
(NumberOfHistogramBins 32)
(Optimizer "AdaptiveStochasticGradientDescent")
(MaximumNumberOfIterations 256)
(AutomaticParameterEstimation "true")
(Transform "EulerTransform")
(AutomaticScalesEstimation "true")
(AutomaticTransformInitialization "false")
(HowToCombineTransforms "Compose")
(ImageSampler "RandomCoordinate")
(NumberOfSpatialSamples 2048)
(NumberOfSamplesForExactGradient 4096)
(NewSamplesEveryIteration "true")
(CheckNumberOfSamples "true")
(DefaultPixelValue 0)
(WriteResultImage "false")
)";

/// The numbers behind (NAME ...) in a transform file.
std::vector<double> Numbers(const std::string& text, const std::string& name) {
  const auto at = text.find("(" + name + " ");
  std::vector<double> numbers;
  if (at == std::string::npos) return numbers;
  const auto from = at + name.size() + 2;
  std::istringstream in(text.substr(from, text.find(')', from) - from));
  for (double x; in >> x;) numbers.push_back(x);
  return numbers;
}

std::string ReadText(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

void WriteMetaPixels(const volumes::Volume& volume, const fs::path& raw) {
  std::ofstream out(raw, std::ios::binary);
  out.write(reinterpret_cast<const char*>(volume.voxels.data()),
            static_cast<std::streamsize>(volume.voxels.size() * sizeof(float)));
  if (!out.flush()) throw Error(ErrorCode::kInternal, raw.string() + " cannot be written.");
}

void WriteMetaHeader(const volumes::Volume& v, const fs::path& header, const std::string& raw) {
  std::ofstream out(header);
  out.precision(12);
  out << "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n";
  out << "TransformMatrix =";  // axis by axis: the direction's columns one after the other
  for (std::size_t axis = 0; axis < 3; ++axis)
    for (std::size_t i = 0; i < 3; ++i) out << ' ' << v.direction[3 * i + axis];
  out << "\nOffset = " << v.origin[0] << ' ' << v.origin[1] << ' ' << v.origin[2];
  out << "\nCenterOfRotation = 0 0 0\nElementSpacing = " << v.spacing[0] << ' ' << v.spacing[1] << ' ' << v.spacing[2];
  out << "\nDimSize = " << v.size[0] << ' ' << v.size[1] << ' ' << v.size[2];
  out << "\nElementType = MET_FLOAT\nElementDataFile = " << raw << '\n';
  if (!out.flush()) throw Error(ErrorCode::kInternal, header.string() + " cannot be written.");
}

ElastixResult RunElastix(const fs::path& fixed, const fs::path& moving, const fs::path& folder) {
  fs::create_directories(folder);
  std::ofstream(folder / "rigid.txt") << kParameters;
  ElastixResult result;
  result.child = RunProgram({"elastix", "-f", fixed.string(), "-m", moving.string(), "-p",
                             (folder / "rigid.txt").string(), "-out", folder.string(), "-threads", "1"},
                            folder / "output.txt");
  if (result.child.status == 127)
    throw Error(ErrorCode::kMissingPart, "elastix is not installed (section bench of docker/packages.txt).");
  const std::string text = ReadText(folder / "TransformParameters.0.txt");
  const auto p = Numbers(text, "TransformParameters"), c = Numbers(text, "CenterOfRotationPoint");
  if (result.child.status != 0 || p.size() != 6 || c.size() != 3)
    throw Error(ErrorCode::kInternal, "elastix failed; its words are in " + (folder / "output.txt").string() + ".");
  for (std::size_t i = 0; i < 3; ++i)
    result.transform.angles[i] = p[i], result.transform.translation[i] = p[3 + i], result.transform.centre[i] = c[i];
  return result;
}

}  // namespace glionode::bench
