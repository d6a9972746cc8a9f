// RunWorker starts this program itself, so this test brings its own main: as `worker` it does what its request names.
#include "server/worker_client.h"

#include <gtest/gtest.h>

#include <cstring>
#include <iostream>
#include <iterator>
#include <signal.h>
#include <string>
#include <thread>
#include <unistd.h>

namespace glionode::server {
namespace {

const std::atomic<bool> kGoOn{false};

WorkerRequest Asking(const std::string& what) {
  WorkerRequest request;
  request.bundle = what;
  return request;
}

TEST(WorkerClient, BringsTheAnswerBack) {
  const WorkerRun run = RunWorker(Asking("answer"), 60, kGoOn);
  ASSERT_EQ(run.end, WorkerEnd::kAnswered) << run.text;
  EXPECT_TRUE(run.answer.ok);
  EXPECT_EQ(run.answer.device, "here");
}

TEST(WorkerClient, WhatTheWorkerPrintsIsNoAnswer) {
  const WorkerRun run = RunWorker(Asking("chatter"), 60, kGoOn);
  ASSERT_EQ(run.end, WorkerEnd::kAnswered) << run.text;
  EXPECT_EQ(run.answer.device, "here");
}

TEST(WorkerClient, ACrashIsSaidWithItsSignal) {
  const WorkerRun run = RunWorker(Asking("crash"), 60, kGoOn);
  EXPECT_EQ(run.end, WorkerEnd::kCrashed);
  EXPECT_NE(run.text.find("signal 9"), std::string::npos) << run.text;
}

TEST(WorkerClient, HalfAnAnswerIsNoAnswer) {
  const WorkerRun run = RunWorker(Asking("half"), 60, kGoOn);
  EXPECT_EQ(run.end, WorkerEnd::kCrashed);
  EXPECT_NE(run.text.find("exit code 7"), std::string::npos) << run.text;
}

TEST(WorkerClient, OneThatHangsIsEnded) {
  const WorkerRun run = RunWorker(Asking("hang"), 1, kGoOn);
  EXPECT_EQ(run.end, WorkerEnd::kTimeLimit);
}

TEST(WorkerClient, StoppingEndsTheWorker) {
  std::atomic<bool> cancel{false};
  WorkerRun run;
  std::thread waiting([&] { run = RunWorker(Asking("hang"), 600, cancel); });
  cancel = true;
  waiting.join();
  EXPECT_EQ(run.end, WorkerEnd::kCancelled);
}

TEST(WorkerClient, TellsTheWorkerWhoItsParentIs) {
  const WorkerRun run = RunWorker(Asking("parent"), 60, kGoOn);
  ASSERT_EQ(run.end, WorkerEnd::kAnswered) << run.text;
  EXPECT_EQ(run.answer.device, "worker --parent " + std::to_string(getpid()));
}

int BeWorker(int argc, char** argv) {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const std::string what = RequestFromJson(nlohmann::json::parse(text)).bundle;
  if (what == "crash") raise(SIGKILL);
  if (what == "hang") pause();
  if (what == "chatter") std::cout << "{\"ok\": false}" << std::endl;
  WorkerAnswer answer;
  answer.ok = true;
  answer.device = "here";
  if (what == "parent") {
    answer.device = argv[1];
    for (int i = 2; i < argc; ++i) answer.device += std::string(" ") + argv[i];
  }
  std::string out = ToJson(answer).dump();
  if (what == "half") out.resize(out.size() / 2);
  const bool written = write(3, out.data(), out.size()) == static_cast<ssize_t>(out.size());
  return what == "half" || !written ? 7 : 0;
}

}  // namespace
}  // namespace glionode::server

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "worker") == 0) return glionode::server::BeWorker(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
