find_package(GTest REQUIRED)
include(GoogleTest)

# glionode_test(NAME SOURCES ... LIBRARIES ...): one GoogleTest program; every case is a ctest entry with the label "unit".
function(glionode_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES;LABELS")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE glionode_options glionode_warnings ${arg_LIBRARIES} GTest::gmock GTest::gtest_main)
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 300)
endfunction()
