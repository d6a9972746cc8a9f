#pragma once
#include "inference/volumes/head_mask.h"

#include <optional>
#include <vector>

namespace glionode::volumes {

/// Grid steps that come nearest to this length; at least one.
int Steps(double mm, const Grid& grid);

/// The value below which this share of `values` lies. Reorders them; they must not be empty.
float Quantile(std::vector<float>& values, double share);

/// The head without its outermost 12 mm, where both series show something, and their medians there.
struct InnerHead {
  Mask mask;
  float t1 = 0, t1ce = 0;
};

/// Both series on one grid, inside `head`. Nothing if too little of a head is left.
std::optional<InnerHead> FindInnerHead(const std::vector<float>& t1, const std::vector<float>& t1ce, const Mask& head,
                                       const Grid& grid);

}  // namespace glionode::volumes
