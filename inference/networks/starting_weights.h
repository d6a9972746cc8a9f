#pragma once
#include "inference/networks/bundle.h"
#include "inference/networks/safetensors.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace glionode::networks {

class Network;

/// What became of a file of starting weights, for the person who named it.
struct StartingReport {
  std::vector<std::string> loaded;      ///< names in the network; of the stem with what was done to it or presumed
  std::vector<std::string> not_loaded;  ///< name in the file: why not
  std::vector<std::string> fresh;       ///< names in the network that keep their random start
  std::string sha256;                   ///< of the file
};

/// Loads weights with MedicalNet's or MONAI's names into a ResNet-10. The prefix "module." is taken off; a stem for one
/// channel is spread over all by repeating it and dividing by their number; a bias of a convolution (MONAI's shortcuts
/// have one) is folded into the mean of the normalisation behind it. A segmentation head is passed over; a
/// classification head is taken only if the file's metadata says `classes` = "recurrence,necrosis" (or the other way
/// round: then it is turned). The head alone may start at random: everything before it must be there.
///
/// Tensor shapes do not tell MedicalNet's dilated network from MONAI's strided one, nor a stem of stride 2 from one of
/// stride 1: the result would be noise with a good conscience. So the file's metadata must say `layout` (dilated,
/// strided) and `stem_stride` (2), or `layout_word` does ("" otherwise; it stands for a stem of stride 2, and the
/// report says so). Where it says `sequences`, a stem for several must be for the network's, in their order. Throws
/// Error{kUsage} for a network of another type, a layout or stem stride that is not said or differs, other sequences,
/// shortcuts without weights (type A) and a deeper backbone; Error{kBadDataset} (FILE: tensor: reason) for parts that
/// are missing, shapes that do not fit and variances below zero.
StartingReport LoadStartingWeights(Network& network, const NetworkSpec& spec, const std::filesystem::path& file,
                                   const std::string& layout_word);

/// The same on a network of its own: what would be loaded.
StartingReport DescribeStartingWeights(const NetworkSpec& spec, const std::filesystem::path& file,
                                       const std::string& layout_word);

}  // namespace glionode::networks
