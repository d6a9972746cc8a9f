#pragma once
#include "inference/networks/random.h"

#include <vector>

namespace glionode::networks {

/// The cases of one epoch in random order: every one once, or (`balanced`) as many draws as there are cases with both
/// classes equally often, each class dealt out whole before a case comes again.
inline std::vector<int> CaseOrder(const std::vector<int>& members, const std::vector<bool>& necrosis, bool balanced,
                                  SplitMix64& random) {
  std::vector<int> order = members;
  if (balanced) {
    std::vector<int> decks[2], left[2];
    for (std::size_t i = 0; i < members.size(); ++i) decks[necrosis[i] ? 1 : 0].push_back(members[i]);
    if (!decks[0].empty() && !decks[1].empty())
      for (std::size_t i = 0; i < order.size(); ++i) {
        auto& deck = left[i % 2];
        if (deck.empty()) deck = decks[i % 2], random.Shuffle(deck);
        order[i] = deck.back();
        deck.pop_back();
      }
  }
  random.Shuffle(order);
  return order;
}

}  // namespace glionode::networks
